"""A log that lies: entries dropped, moved, doubled, forked, rolled back, promised and not kept, unwitnessed.

`judge` holds each tampering to exactly the steps that notice it, and shows that without them the export passes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from oversight_federation import audited, honest
from oversight_lies import first, judge
from oversight_world import (
    BANKS,
    NOW,
    WITNESSES,
    World,
    key_of,
    log_key,
    member,
    policy_values,
    promise,
    root_of,
    witness_key,
)

from clients.regulator.layout import note_line
from clients.regulator.steps.quorum import QuorumStep
from clients.regulator.verify import verify
from federation.errors import ConfigurationError
from federation.oversight import RegulatorStatement
from protocols.transparency import Checkpoint, Promise, Quorum, Statement, attach, cosign, split_note


def as_signed(world: World, honest: World, path: Path) -> Path:
    """The entries of `world` under the notes and promises of the honest log: nobody signed again."""
    trail = honest.trail()
    return world.export(path, checkpoint=trail.checkpoint, checkpoints=trail.checkpoints, promises=trail.promises)


def failed(path: Path) -> set[int]:
    return {step.number for step in verify(path, honest().policy()).steps if step.findings}


MOVED = {
    "the last entry dropped": lambda world: world.without(len(world.entries) - 1),
    "a ledger entry dropped": lambda world: world.without(world.find("ledger-entry", 5)),
    "a statement dropped": lambda world: world.without(world.find("round")),
    "an entry doubled": lambda world: world.inserted(10, world.entries[10]),
    "an entry added": lambda world: world.inserted(len(world.entries), member("bank-a")),
    "two admissions exchanged": lambda world: world.inserted(2, world.entries[3]).without(4),
    "two ledgers' entries exchanged": lambda world: world.inserted(6, world.entries[8]).without(9),
}


@pytest.mark.parametrize("name", sorted(MOVED))
def test_entries_that_the_checkpoint_does_not_commit_to(tmp_path: Path, name: str) -> None:
    path = as_signed(MOVED[name](honest()), honest(), tmp_path / "export.zip")
    verdict = verify(path, honest().policy())
    assert {step.number for step in verdict.steps if step.findings} >= {4}
    assert verdict.step(4).findings[0].where in ("entries", "root", "promise broken")


def test_checkpoints_tell_where_the_first_wrong_entry_is(tmp_path: Path) -> None:
    world = replace(honest(), earlier=(4, 8, 12, 20))
    trail = world.trail()
    lying = replace(world, promised=()).changed(14, world.entries[0])
    path = lying.export(tmp_path / "export.zip", checkpoint=trail.checkpoint, checkpoints=trail.checkpoints)
    assert "among 12 to 19" in first(verify(path, world.policy()), 4).expected


@pytest.mark.parametrize(
    ("name", "fails"),
    [
        # All notes and promises are made anew: the log, its witnesses and its coordinator are one.
        ("a ledger entry dropped", {3, 9}),
        ("an entry doubled", {3}),
        ("two admissions exchanged", set()),  # says the same
    ],
)
def test_the_same_under_notes_that_everybody_signed_again(tmp_path: Path, name: str, fails: set[int]) -> None:
    world = MOVED[name](honest())
    if fails:
        judge(world, tmp_path, fails)
    # Only somebody's memory shows that it was otherwise: the regulator's own last checkpoint.
    judge(world, tmp_path, fails | {5}, seen=honest().seen(len(honest().entries) - 1))


def test_a_log_that_forgot_its_end_is_rolled_back(tmp_path: Path) -> None:
    shorter = replace(honest(), entries=honest().entries[:21])
    verdict = judge(shorter, tmp_path, {5, 9}, seen=honest().seen(28))
    assert first(verdict, 5).where == "policy: seen: rolled back"


def test_an_earlier_checkpoint_of_another_history(tmp_path: Path) -> None:
    world = honest()
    fork = world.changed(1, member("bank-b")).note(8)
    path = world.export(tmp_path / "export.zip", checkpoints=(fork,))
    verdict = verify(path, world.policy())
    assert failed(path) == {5}
    assert first(verdict, 5).where == "log/checkpoints.jsonl, line 1: forked at size 8"
    assert note_line(fork)


def test_an_earlier_checkpoint_that_is_larger(tmp_path: Path) -> None:
    world = honest()
    path = replace(world, entries=world.entries[:26]).export(tmp_path / "export.zip", checkpoints=(world.note(),))
    assert "rolled back" in first(verify(path, world.policy()), 5).where


def test_another_log(tmp_path: Path) -> None:
    path = replace(honest(), log="impostor").export(tmp_path / "export.zip", promises=())
    assert failed(path) == {1, 4, 5, 6}


@pytest.mark.parametrize(
    ("cosigners", "missing"),
    [
        (("regulator", "bank-a"), "bank-b, bank-c"),
        (BANKS, "regulator"),  # enough in number, without the one that is required
        ((), "regulator"),
        (("regulator", "bank-a", "stranger", "other"), "bank-b, bank-c"),
    ],
)
def test_a_witness_missing(tmp_path: Path, cosigners: tuple[str, ...], missing: str) -> None:
    verdict = judge(replace(honest(), cosigners=cosigners), tmp_path, {6})
    assert missing in first(verdict, 6).got


def test_cosignatures_of_another_checkpoint(tmp_path: Path) -> None:
    world = honest()
    bare = Checkpoint(log_key().name, 28, root_of(world.entries)).note(log_key())
    other = split_note(world.note(20))[0]
    lines = [cosign(other, witness_key(name), NOW) for name in WITNESSES]
    path = world.export(tmp_path / "export.zip", checkpoint=attach(bare, lines))
    assert failed(path) == {6}


def test_a_cosignature_counted_twice(tmp_path: Path) -> None:
    world = replace(honest(), cosigners=("regulator",))
    again = [cosign(split_note(world.note())[0], witness_key("regulator"), NOW + extra) for extra in (1, 2, 3)]
    path = world.export(tmp_path / "export.zip", checkpoint=attach(world.note(), again))
    assert failed(path) == {6}


def test_a_policy_that_requires_no_witness_is_none(tmp_path: Path) -> None:
    """Under one a quorum of others would do, and the regulator need never have seen the checkpoint."""
    witnesses = [{**each, "required": False} for each in policy_values()["witnesses"]]
    with pytest.raises(ConfigurationError, match=r"policy\.witnesses: got no witness that is required"):
        honest().policy(witnesses=witnesses)
    unseen, policy = replace(honest(), cosigners=BANKS), honest().policy()
    path = unseen.export(tmp_path / "export.zip")
    assert not verify(path, policy, [QuorumStep]).holds
    policy.__dict__["quorum"] = Quorum.of(policy.quorum.witnesses)
    assert verify(path, policy, [QuorumStep]).holds


def test_a_promise_that_was_broken(tmp_path: Path) -> None:
    promised = (promise(member("bank-a"), 9),)
    verdict = judge(replace(honest(), promises=promised), tmp_path, {4})
    assert (first(verdict, 4).where, first(verdict, 4).index) == ("promise broken", 9)


def test_a_promise_that_is_overdue(tmp_path: Path) -> None:
    promised = (promise(member("bank-a"), 500, issued_at=NOW),)  # due an hour later; witnessed after nearly three
    judge(replace(honest(), promises=promised), tmp_path, {4})
    early = replace(honest(), promises=(promise(member("bank-a"), 500, issued_at=NOW + 9000),))
    verdict = verify(early.export(tmp_path / "early.zip"), early.policy())
    assert verdict.holds
    assert "not yet due" in verdict.step(4).notes[0]


def test_a_promise_that_the_log_never_made(tmp_path: Path) -> None:
    real = Promise.decode(promise(honest().entries[9], 9))
    forged = replace(real, index=10)  # with it an honest log would be blamed
    verdict = judge(replace(honest(), promises=(forged.encode(),)), tmp_path, {4})
    assert "signature" in first(verdict, 4).where


# Who may say what, by place in the log.


def test_a_key_that_was_revoked_before(tmp_path: Path) -> None:
    world = honest().inserted(honest().find("round", 1), member("bank-b", "revoked"))
    verdict = judge(world, tmp_path, {2})
    at = first(verdict, 2)
    assert at.institution == "bank-b"
    assert at.sequence == 5  # what it reserved for the evaluation, after it was revoked


def test_a_key_that_was_revoked_after_is_no_fault(tmp_path: Path) -> None:
    world = honest().inserted(len(honest().entries), member("bank-b", "revoked"))
    assert verify(world.export(tmp_path / "export.zip"), world.policy()).holds


def test_a_member_that_nobody_admitted(tmp_path: Path) -> None:
    verdict = judge(honest().without(1), tmp_path, {2})
    assert first(verdict, 2).where.startswith("plan: institution")


def test_an_admission_by_somebody_else(tmp_path: Path) -> None:
    said = Statement.sign("member", honest().content(1), key_of("bank-b"))
    judge(honest().changed(1, said.entry.data), tmp_path, {2})


def test_another_regulator(tmp_path: Path) -> None:
    other = RegulatorStatement("regulator", key_of("x").public.hex, witness_key("x").public.key.hex, "cd" * 32, 10)
    verdict = judge(honest().changed(0, other.entry(key_of("coordinator")).data), tmp_path, {2})
    assert first(verdict, 2).where == "regulator: regulator.key"


@pytest.mark.parametrize(
    ("kind", "signer"),
    [
        ("audit-result", "coordinator"),
        ("audit-result", "bank-b"),
        ("replay-commitment", "coordinator"),
        ("draw", "bank-a"),
    ],
)
def test_a_statement_by_whom_it_is_not(tmp_path: Path, kind: str, signer: str) -> None:
    audit = honest().inserted(28, audited("bank-a")).content(28)
    said = Statement.sign(kind, audit if kind == "audit-result" else {"run_id": "spring"}, key_of(signer))
    judge(honest().inserted(28, said.entry.data), tmp_path, {2})


def test_a_line_in_another_form(tmp_path: Path) -> None:
    at = honest().find("round")
    spaced = honest().entries[at].replace(b'"v":1}', b'"v": 1}')
    verdict = judge(honest().changed(at, spaced), tmp_path, {2, 9})
    assert first(verdict, 2).index == at


def test_a_plan_that_not_everybody_signed(tmp_path: Path) -> None:
    at = honest().find("plan")
    approvals = honest().entries[at].index(b'"bank-b":"') + 12
    data = honest().entries[at]
    forged = data[:approvals] + (b"00" if data[approvals : approvals + 2] != b"00" else b"11") + data[approvals + 2 :]
    documents = {path: each for path, each in honest().documents.items() if not path.endswith("plan.json")}
    verdict = judge(replace(honest().changed(at, forged), documents=documents), tmp_path, {2})
    assert "bank-b" in first(verdict, 2).where
