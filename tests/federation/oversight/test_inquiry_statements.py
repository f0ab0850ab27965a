"""What the regulator says of spot checks: one form, checked whoever reads it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.oversight.inquiries import (
    DRAW,
    MAX_BROKEN,
    OMBUDSMAN,
    REGULATOR,
    Broken,
    ConsentVerdict,
    SeedsStatement,
    draw_entry,
    read_draw,
)
from protocols.consent.draw import Draw, SignedDraw, commit_seed
from protocols.consent.refusal import Rule
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import Entry, read_entry
from server.log.admission import MAX_BODY_BYTES

KEY, OTHER = SigningKey.from_seed(bytes(32)), SigningKey.from_seed(bytes(31) + b"\1")
HASH = "ab" * 32


def verdict(**changes: Any) -> ConsentVerdict:
    broken = (Broken(7, HASH, Rule.FORGED), Broken(9, HASH, Rule.NOT_OPENED))
    fields = {"draw": HASH, "querier": "bank-a", "number": 1, "drawn": 5, "hard": 2, "soft": 1, "broken": broken}
    return ConsentVerdict(**{**fields, **changes})


def seeds(**changes: Any) -> SeedsStatement:
    return SeedsStatement(**{"draw": HASH, "seeds": {"regulator": HASH}, "deadline": 7, "key": HASH, **changes})


@pytest.mark.parametrize("said", [verdict(), seeds(), seeds(seeds={"regulator": HASH, "ombudsman": "cd" * 32})])
def test_what_is_said_is_what_is_read(said: Any) -> None:
    entry = read_entry(said.entry(KEY).data)
    assert type(said).read(entry, KEY.public) == said
    with pytest.raises(ProtocolError, match="signer"):
        type(said).read(entry, OTHER.public)


@pytest.mark.parametrize(
    "changes",
    [
        {"drawn": 4},
        {"hard": -1, "drawn": 2},
        {"number": 0},
        {"querier": "Bank A"},
        {"draw": "ab"},
        {"unlisted": 3, "drawn": 8},
        {"broken": (Broken(9, HASH, Rule.FORGED), Broken(7, HASH, Rule.FORGED))},
        {"broken": (Broken(7, HASH, Rule.FORGED), Broken(7, HASH, Rule.FORGED))},
        {"hard": True},
    ],
)
def test_a_verdict_that_does_not_add_up_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        verdict(**changes)


@pytest.mark.parametrize(
    "changes",
    [{"seeds": {}}, {"seeds": {"regulator": "ab"}}, {"seeds": "ab"}, {"key": ""}, {"deadline": -1}, {"draw": None}],
)
def test_seeds_of_another_form_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        seeds(**changes)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda each: st.lists(each, max_size=3)))
def test_no_value_in_the_place_of_what_is_broken_crashes_a_reader(value: Any) -> None:
    for broken in (value, [value], [{"index": 7, "leaf": HASH, "rule": value}]):
        with pytest.raises(MessageError):
            ConsentVerdict.from_json({**verdict().to_json(), "broken": broken})


def test_the_longest_verdict_has_place_in_an_entry() -> None:
    broken = tuple(Broken(2**40 + number, HASH, Rule.WRONG_PURPOSE) for number in range(MAX_BROKEN))
    said = verdict(broken=broken, drawn=2**40 + MAX_BROKEN + 3, unlisted=2**40, querier="b" * 64)
    assert said.failed == 2**40 + MAX_BROKEN
    assert len(said.entry(KEY).body) < MAX_BODY_BYTES
    with pytest.raises(MessageError, match="the first"):
        verdict(broken=(*broken, Broken(2**41, HASH, Rule.FORGED)), drawn=MAX_BROKEN + 4)


def test_a_draw_needs_exactly_the_holders_that_are_named() -> None:
    draw = Draw({REGULATOR: commit_seed(bytes(32)), OMBUDSMAN: commit_seed(bytes(31) + b"\1")}, 1, 0, 99)
    both = draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(KEY), OMBUDSMAN: draw.sign(OTHER)}))
    keys = {REGULATOR: KEY.public, OMBUDSMAN: OTHER.public}
    assert read_draw(both, keys).draw == draw
    one = draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(KEY)}))
    swapped = draw_entry(SignedDraw(draw, {REGULATOR: draw.sign(OTHER), OMBUDSMAN: draw.sign(KEY)}))
    alone = {REGULATOR: KEY.public}  # where no second holder is known it takes nothing from the draw
    assert read_draw(both, alone).draw == draw
    for entry, holders in ((one, keys), (one, alone), (swapped, keys), (swapped, alone)):
        with pytest.raises(SignatureError):
            read_draw(entry, holders)
    with pytest.raises(MessageError, match="kind"):
        read_draw(Entry("example", both.body), keys)
    with pytest.raises(SignatureError):
        SignedDraw(draw, {OMBUDSMAN: draw.sign(OTHER)}).verify_holder(REGULATOR, KEY.public)
    assert both.kind == DRAW
