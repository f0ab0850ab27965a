"""A member that signs what is no entry of a ledger: refused at the door, named in the trail, and nothing ends by it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as some
from oversight_federation import honest
from oversight_world import World, key_of
from rich.console import Console

from clients.regulator.deployment import describe
from clients.regulator.steps.chains import ChainStep
from clients.regulator.verify import examine, verify
from clients.regulator.view import show
from clients.regulator.watch.judge import Judge
from federation.ledger.entries import LABEL
from federation.oversight.reservations import read_ledger_bytes, read_logged
from protocols.canonical import canonical, digest
from protocols.errors import MessageError
from protocols.transparency import Entry, Statement
from server.log.admission import check_member_entry

BANK = "bank-b"
PLACE, LAST = honest().ledger(BANK)[0]
DOCUMENT: dict[str, Any] = LAST.to_json()


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([before] if before else []), *(path for at, child in children for path in paths(child, (*before, at)))]


def mutated(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The honest entry with another value in one place."""
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return document


def signed(document: Any, *, upper: bool = False) -> Entry:
    """As its institution would have it logged: hash and signature are right."""
    data = canonical(document)
    signature = key_of(BANK).sign(LABEL, data).hex()
    body = {
        "entry": document,
        "hash": digest(LABEL, data).hex(),
        "signature": signature.upper() if upper else signature,
    }
    return Entry("ledger-entry", canonical(body))


def alike(left: Any, right: Any) -> bool:
    """Of the same types; `null` is where something may be missing."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return all(map(alike, left, right))
    numbers = [type(value) in (int, float) for value in (left, right)]
    return left is None or right is None or all(numbers) or type(left) is type(right)


def judged(entry: Entry) -> Judge:
    """What the watch makes of the honest trail when it comes to `entry` in its place."""
    judge = Judge(honest().policy())
    for data in (*honest().entries[:PLACE], entry.data):
        judge.take(data)
    return judge


VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53) + 1, 2**53 - 1)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=8)
    | some.sampled_from(["0" * 64, "A" * 64, "run", "reserve", 0, 1, -1, 2.5, 1e308, 5e-324, "x" * 300, "\u202e"]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(path=some.sampled_from(paths(DOCUMENT)), value=VALUES)
def test_any_field_may_be_anything_and_is_refused_or_named_and_nothing_crashes(path: Any, value: Any) -> None:
    document = mutated(path, value)
    entry = signed(document)
    judge = judged(entry)
    found = [finding for step in judge.results for finding in step.findings]
    describe(judge.case.account)
    json.dumps(judge.case.account.to_json())
    try:
        read_logged(entry)
    except MessageError:
        assert (found[0].index, found[0].institution) == (PLACE, BANK)  # if it were in the log all the same
        assert set(judge.results[0].blamed) == {BANK}
    else:
        assert alike(document, DOCUMENT)
        assert {finding.index for finding in found} <= {PLACE}


POISON: dict[str, Any] = {
    "a list for the key": mutated(("key_id",), ["x"]),
    "a number for the key": mutated(("key_id",), 5),
    "a unit that is a number": mutated(("release", "unit"), 5),
    "a negative cap": mutated(("amounts", 0, "cap"), -1),
    "a delta of 0": mutated(("amounts", 0, "delta"), 0),
    "an order in words": mutated(("amounts", 1, "order"), "8"),
    "an order of 1": mutated(("amounts", 1, "order"), 1),
    "steps beyond all numbers": mutated(("release", "event", "steps"), 2**53 - 1) | {"sequence": 1.5},
    "a truth for the version": mutated(("version",), True),
    "another field": {**DOCUMENT, "more": 1},
    "a field less": {name: value for name, value in DOCUMENT.items() if name != "error"},
    "a time at the end of all calendars": mutated(("time",), "9999-12-31T23:59:59.999999Z"),
    "no entry": [],
}


@pytest.mark.parametrize("name", POISON)
def test_it_is_refused_at_the_door(name: str) -> None:
    with pytest.raises(MessageError, match="ledger-entry"):
        check_member_entry(signed(POISON[name]), BANK, key_of(BANK).public)


def test_a_key_id_of_somebody_else_is_refused_at_the_door() -> None:
    from protocols.errors import SignatureError

    with pytest.raises(SignatureError, match="key_id"):
        check_member_entry(signed(mutated(("key_id",), "0" * 16)), BANK, key_of(BANK).public)


def test_a_signature_in_upper_case_is_refused_at_the_door_and_named_in_the_trail() -> None:
    entry = signed(DOCUMENT, upper=True)
    with pytest.raises(MessageError, match="another form"):
        check_member_entry(entry, BANK, key_of(BANK).public)
    finding = judged(entry).results[0].findings[0]
    assert (finding.index, finding.institution) == (PLACE, BANK)


@pytest.mark.parametrize("name", POISON)
def test_the_verdict_says_whose_it_is_and_that_the_log_is_sound(tmp_path: Path, name: str) -> None:
    world: World = honest().inserted(len(honest().entries), signed(POISON[name]).data)
    examined = examine(world.export(tmp_path / "export.zip"), world.policy())
    verdict = examined.verdict
    assert not verdict.holds
    assert verdict.sound
    assert verdict.at_fault == {BANK: (2,)}
    assert verdict.first is not None
    assert (verdict.first[0].number, verdict.first[1].institution) == (2, BANK)
    console = Console(record=True, width=200)
    show(verdict, console)
    assert f"{BANK} signed what fails in steps 2" in console.export_text()


def test_what_nobody_signed_is_nobodys_fault(tmp_path: Path) -> None:
    """A coordinator that logs poison in a member's name."""
    body = json.loads(signed(POISON["no entry"]).body) | {"entry": POISON["a number for the key"]}
    world = honest().inserted(len(honest().entries), Entry("ledger-entry", canonical(body)).data)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert not verdict.sound
    assert verdict.at_fault == {}


def test_a_statement_of_a_member_that_says_nothing_is_the_members(tmp_path: Path) -> None:
    junk = Statement.sign("replay-commitment", {"phase": ["x"]}, key_of(BANK)).entry.data
    world = honest().inserted(len(honest().entries), junk)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert not verdict.holds
    assert (verdict.sound, verdict.at_fault) == (True, {BANK: (2,)})


def test_whatever_a_step_raises_is_a_finding_at_its_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(self: ChainStep, line: Any) -> None:
        if line.index == PLACE:
            raise MemoryError("a step with a fault of its own")

    monkeypatch.setattr(ChainStep, "take", raises)
    world = honest()
    finding = verify(world.export(tmp_path / "export.zip"), world.policy()).step(3).findings[0]
    assert (finding.index, finding.institution, finding.got) == (PLACE, BANK, "MemoryError")
    judge = Judge(world.policy())
    found = [each for data in world.entries for each in judge.take(data)[1]]
    assert [(step, each.index) for step, each in found] == [(3, PLACE)]


def test_the_reader_takes_every_entry_of_an_honest_ledger() -> None:
    for index, entry in honest().ledger(BANK):
        assert read_ledger_bytes(honest().entries[index]).entry == entry
