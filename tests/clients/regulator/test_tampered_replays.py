"""Commitments, beacons, draws and replays that do not fit together: signed by whom they should be, and witnessed.

`judge` holds each lie to step 9, and shows that without it the export passes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_federation import Federation, honest, make_plan
from oversight_lies import first, judge
from oversight_replays import CHAIN, DUE, Replayed, replayed
from oversight_world import NOW, World, key_of, witness_key

from clients.regulator.export import write_export
from clients.regulator.findings import Finding, day
from clients.regulator.line import read_line
from clients.regulator.replays import Replays
from clients.regulator.verify import verify
from federation.ledger.entries import Kind
from federation.oversight import Averaged, RegulatorStatement, RoundStatement
from federation.oversight.replay import ABORTED
from protocols.transparency import Statement, read_entry


def at_nine(federation: Federation, folder: Path, **changes: Any) -> Finding:
    """The first finding of step 9, the only one that fails."""
    world = World(tuple(federation.entries), federation.documents)
    return first(judge(world, folder, {9}, **changes), 9)


def test_honest_replays_hold(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-a", deadline=NOW + 20_000)
    federation.replay("bank-a")
    world = federation.world(earlier=(8,))
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy(replays_required=True))
    assert verdict.holds, verdict.first
    facts = verdict.step(9).facts
    assert "6 updates from committed seeds, 2 beacons" in facts
    assert "1 draws; 1 replays match bit for bit" in facts
    assert "1 beacons name checkpoints whose quorum this export shows" in facts  # of 8 entries


# Commitments.


def test_a_round_without_a_commitment(tmp_path: Path) -> None:
    """The plan that everybody signed says that all can be replayed."""
    found = at_nine(replayed(skip=("bank-b",)), tmp_path)
    assert (found.where, found.institution) == ("replay of spring, train round 1, attempt 1, bank-b", "bank-b")


def test_a_member_that_commits_to_some_of_its_rounds(tmp_path: Path) -> None:
    federation = Replayed()
    federation.enrol()
    federation.commit("bank-a", 1)
    federation.skip = ("bank-a", "bank-b", "bank-c")
    federation.run(make_plan())  # a plan that promises no replay
    found = at_nine(federation, tmp_path)
    assert found.where == "replay of spring, train round 2, attempt 1, bank-a"


def test_a_run_that_nobody_can_replay(tmp_path: Path) -> None:
    """Where the policy insists; otherwise it is the plan's to say."""
    found = first(judge(honest(), tmp_path, {9}, replays_required=True), 9)
    assert found.got == "a round that nobody can replay"


def test_a_choice_of_two_seeds(tmp_path: Path) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, seed="44")
    assert "a second commitment" in at_nine(federation, tmp_path).got


def test_a_commitment_after_its_reservation(tmp_path: Path) -> None:
    federation = replayed(skip=("bank-c",))
    federation.commit("bank-c", 1)
    found = at_nine(federation, tmp_path)
    assert found.got == "reserved without a commitment that is logged before"


def test_attempts_that_were_given_up_are_told(tmp_path: Path) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    world = federation.world()
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds
    assert "bank-a: 1 commitments without an update: given up, or under way" in verdict.step(9).notes


# Beacons.


def test_an_update_handed_out_before_its_beacon(tmp_path: Path) -> None:
    """Its noise cannot have come from the beacon."""
    assert at_nine(replayed(late=True), tmp_path).got == "an update that was handed out before its beacon"


def test_an_update_without_any_beacon(tmp_path: Path) -> None:
    assert at_nine(replayed(dark=True), tmp_path).got == "an update that was handed out before its beacon"


@pytest.mark.parametrize(
    ("lies", "where"),
    [
        ({"root": "ab" * 32}, "beacon.root"),  # of another log
        ({"index": 4, "preimage": CHAIN.preimage(4).hex()}, "beacon"),  # an element skipped: a choice of two
        ({"preimage": "ab" * 32}, "beacon"),  # no element of the chain
        ({"size": 9}, "beacon"),  # an older checkpoint again
        ({"size": 1_000, "root": "ab" * 32}, "beacon.size"),  # a checkpoint of entries that are still to come
    ],
)
def test_a_beacon_that_was_chosen(tmp_path: Path, lies: dict[str, Any], where: str) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    federation.reveal(**lies)
    found = at_nine(federation, tmp_path)
    assert found.where == where
    assert found.index == len(federation.entries) - 1


def test_beacons_of_another_chain_than_the_log_names(tmp_path: Path) -> None:
    federation = replayed()
    public = (key_of("regulator").public.hex, witness_key("regulator").public.key.hex)
    other = RegulatorStatement("regulator", *public, "cd" * 32, 100)
    federation.entries[0] = other.entry(key_of("coordinator")).data
    assert at_nine(federation, tmp_path).where == "beacon"


def test_a_chain_that_is_known_already(tmp_path: Path) -> None:
    """Back to a chain whose elements anybody can read in the log: beacons that the institution knows beforehand."""
    federation = replayed()
    public = (key_of("regulator").public.hex, witness_key("regulator").public.key.hex)
    for anchor in ("cd" * 32, CHAIN.anchor.hex()):
        federation.say(RegulatorStatement("regulator", *public, anchor, 100).entry(key_of("coordinator")).data)
    assert at_nine(federation, tmp_path).got == "a chain that was used before"


def skipped() -> World:
    """A quorum has cosigned 5 entries, the commitment at 4 among them; the beacon is for 6."""
    federation = Replayed()
    federation.enrol()
    federation.commit("bank-a", 1)
    federation.commit("bank-b", 1)
    federation.reveal()
    return federation.world(earlier=(5,), promised=())


def test_a_beacon_for_a_later_checkpoint_is_a_choice(tmp_path: Path) -> None:
    found = first(judge(skipped(), tmp_path, {9}), 9)
    assert (found.where, found.index) == ("beacon_not_first", 6)
    assert found.expected == "5, the first that a quorum cosigned with the commitment at 4"


def test_a_smaller_checkpoint_without_a_quorum_is_none_to_skip(tmp_path: Path) -> None:
    world = skipped()
    alone = replace(world, cosigners=("regulator", "bank-a"))
    trail = world.trail(checkpoints=(alone.note(5),))
    path = tmp_path / "e.zip"
    write_export(path, trail)
    assert verify(path, world.policy()).holds


def test_unchecked_whoever_reveals_may_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replays, "_met", lambda self, quorum, note: False)
    world = skipped()
    assert verify(world.export(tmp_path / "e.zip"), world.policy()).holds


# Draws.


@pytest.mark.parametrize("code", ["update_differs", "records_differ", "seed_missing"])
def test_a_replay_that_does_not_match(tmp_path: Path, code: str) -> None:
    """An institution that added no noise in production, and is honest about what came out."""
    federation = replayed()
    federation.draw("bank-a", 2)
    federation.replay("bank-a", findings=(code,))
    found = at_nine(federation, tmp_path)
    assert (found.where, found.got) == ("replay of spring, train round 2, attempt 1, bank-a", code)
    told = federation.world()
    assert verify(told.export(tmp_path / "told.zip"), told.policy(audits_must_pass=False)).holds


def test_a_replay_that_calls_another_update_a_match(tmp_path: Path) -> None:
    """What came out is another hash than what the ledger handed out: nobody else's word is needed."""
    federation = replayed()
    federation.draw("bank-a")
    federation.replay("bank-a", update_hash="56" * 32)
    assert at_nine(federation, tmp_path).where.endswith("bank-a: update_hash")


def test_a_replay_with_other_code_that_is_called_a_match(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-a")
    federation.replay("bank-a", code_digest="56" * 32)
    assert at_nine(federation, tmp_path).where.endswith("bank-a: code_digest")


def test_the_replay_of_another_round_than_was_drawn(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-a", 2)
    federation.replay("bank-a", round=1)
    assert at_nine(federation, tmp_path).got == "an answer to no draw of this round"


def test_a_draw_that_was_not_answered(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-c")
    found = at_nine(federation, tmp_path)
    assert (found.where, found.index) == ("replay of spring, train round 1, attempt 1, bank-c", 36)
    assert found.got == f"no answer; it was due {day(DUE)}"


def test_a_draw_that_is_not_yet_due(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-c", deadline=NOW + 20_000)
    world = federation.world()
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds
    assert "replay of spring, train round 1, attempt 1, bank-c: drawn, and not yet due" in verdict.step(9).notes


def test_an_answer_after_its_deadline(tmp_path: Path) -> None:
    """A quorum saw the log without it when the time was over; seen later, nobody can tell."""
    federation = replayed()
    federation.draw("bank-c")
    federation.replay("bank-c")
    size = len(federation.entries) - 1
    world = federation.world(earlier=(size,))
    assert (
        first(judge(world, tmp_path, {9}), 9).got == f"an answer at log entry {size}, too late; it was due {day(DUE)}"
    )
    unseen = federation.world(earlier=())
    assert verify(unseen.export(tmp_path / "unseen.zip"), unseen.policy()).holds


# Attempts that came to nothing.


def aborted(**lies: Any) -> Replayed:
    """bank-a gave up its first attempt at round 2, which was drawn; it says that nothing was released."""
    federation = replayed(given_up=(("bank-a", 2),), **lies)
    federation.draw("bank-a", 2, NOW + 20_000)
    federation.replay("bank-a", findings=(ABORTED,), update_hash="")
    return federation


def test_an_attempt_that_was_aborted_is_no_fault(tmp_path: Path) -> None:
    world = aborted().world()
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds, verdict.first
    notes = verdict.step(9).notes
    assert any(note.endswith("bank-a: attempt_aborted: nothing was released") for note in notes)
    assert "bank-a: spring, train round 2: 2 attempts with noise of their own, each of them charged" in notes


def test_an_attempt_that_was_handed_out_and_called_aborted(tmp_path: Path) -> None:
    federation = replayed()
    federation.draw("bank-a", 2, NOW + 20_000)
    federation.replay("bank-a", findings=(ABORTED,), update_hash="")
    found = at_nine(federation, tmp_path)
    assert found.where == "replay of spring, train round 2, attempt 1, bank-a: attempt_aborted"
    assert "was handed out" in found.got


def test_an_attempt_that_a_round_averaged_and_the_ledger_calls_aborted(tmp_path: Path) -> None:
    """A bad round is to be hidden: the coordinator's statement names the reservation all the same."""
    federation = aborted()
    at, said = next(
        (at, RoundStatement.from_json(Statement.read(read_entry(data)).content))
        for at, data in enumerate(federation.entries)
        if b'"kind":"round"' in data and b'"round":2,' in data
    )
    lost = next(
        line.signed.hash
        for line in map(read_line, range(at), federation.entries)
        if line.signed is not None
        and line.signed.entry.kind is Kind.RESERVE
        and line.signed.entry.institution == "bank-a"
        and line.signed.entry.release is not None
        and (line.signed.entry.release.round, line.signed.entry.release.attempt) == (2, 1)
    )
    hidden = {**said.updates, "bank-a": Averaged("78" * 32, lost)}
    federation.entries[at] = replace(said, updates=hidden).entry(key_of("coordinator")).data
    world = World(tuple(federation.entries), federation.documents)
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    findings = {finding.where: finding.got for finding in verdict.step(9).findings}
    assert findings["replay of spring, train round 2, attempt 1, bank-a: attempt_aborted"].startswith("averaged, by")


def test_an_attempt_that_nobody_gave_up_is_not_aborted(tmp_path: Path) -> None:
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    federation.draw("bank-a", 2, NOW + 20_000, attempt=2)
    federation.replay("bank-a", findings=(ABORTED,), update_hash="")
    assert at_nine(federation, tmp_path).got == "an attempt that its ledger has not given up"


# Draws of what never was.


@pytest.mark.parametrize(
    "drawn",
    [
        {"round": 99},
        {"attempt": 7},
    ],
)
@pytest.mark.parametrize("answered", [False, True])
def test_a_draw_of_no_attempt_is_held_against_nobody(tmp_path: Path, drawn: dict[str, int], answered: bool) -> None:
    """A slip of the regulator's: whether the institution answers or not, there was nothing to compute."""
    federation = replayed()
    federation.draw("bank-b", **drawn)
    if answered:
        federation.replay("bank-b", update_hash="", findings=("seed_missing",))
    world = federation.world()
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert verdict.holds, verdict.first
    assert any("drawn, and the log has no such attempt" in note for note in verdict.step(9).notes)


def test_a_draw_of_an_attempt_that_was_never_begun_is_held_against_nobody(tmp_path: Path) -> None:
    """Committed to ahead of time, and then the run came to an end."""
    federation = replayed()
    federation.commit("bank-a", 2, attempt=2)
    federation.draw("bank-a", 2, attempt=2)
    federation.replay("bank-a", update_hash="", findings=("nothing_sent",))
    world = federation.world()
    assert verify(world.export(tmp_path / "e.zip"), world.policy()).holds


def test_an_answer_before_the_attempt_is_none_to_it(tmp_path: Path) -> None:
    """Drawn and answered before there was anything to compute: the attempt that comes later still owes its replay."""
    federation = replayed()
    leaf = len(federation.entries)
    federation.draw("bank-a")
    federation.replay("bank-a", update_hash="", findings=("seed_missing",))
    ahead, federation.entries[leaf:] = federation.entries[leaf:], []
    federation.entries[4:4] = ahead
    world = World(tuple(federation.entries), federation.documents)
    verdict = verify(world.export(tmp_path / "e.zip"), world.policy())
    assert any(finding.got.startswith("no answer") for finding in verdict.step(9).findings)
