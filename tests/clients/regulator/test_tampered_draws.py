"""Draws, answers to them and attempts that came to nothing: what an institution says of a round computed again.

`judge` holds each lie to step 9, and shows that without it the export passes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_lies import first, judge
from oversight_replays import DUE, Replayed, replayed
from oversight_world import NOW, World, key_of
from test_tampered_replays import at_nine

from clients.regulator.findings import day
from clients.regulator.line import read_line
from clients.regulator.verify import verify
from federation.ledger.entries import Kind
from federation.oversight import Averaged, RoundStatement
from federation.oversight.replay import ABORTED
from protocols.transparency import Statement, read_entry


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
