"""The table that says whether each epoch asks with consent: from the rosters that all its members signed."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from inquiry_epoch import epoch_of
from oversight_world import NOW, key_of

from clients.regulator.inquiries.draws import DrawSeen, Leaf
from clients.regulator.pages.asked import Asked
from clients.regulator.pages.spot_checks import WITHOUT, consent
from federation.oversight.inquiries import Broken, ConsentVerdict
from protocols.consent.draw import Draw, SignedDraw, commit_seed
from protocols.consent.refusal import Rule
from protocols.lookup.context import EpochContext
from protocols.lookup.roster import Authority

LEAVES = {at: Leaf(bytes([at]) * 32, "bank-a") for at in (3, 5, 9)}


@pytest.fixture(scope="module")
def with_consent() -> EpochContext:
    return epoch_of(NOW, authorities=(Authority("e-id", key_of("e-id").public),))


def view(*epochs: EpochContext, verdicts: list[ConsentVerdict] | None = None) -> Any:
    """Leaves 3 and 5 are of the first epoch, 9 of the last; everything was drawn, once for each verdict."""
    asked, counted = Asked(), Counter[tuple[str, str, str]]()
    for at in LEAVES:
        epoch = epochs[0 if at < 9 else -1].epoch_id.hex()
        asked.add(at, epoch)
        counted[epoch, "bank-a", "review"] += 1
    draw = Draw({"regulator": commit_seed(bytes(32))}, 10**6, 0, 40)
    signed = SignedDraw(draw, {"regulator": draw.sign(key_of("regulator"))})
    draws = {
        str(number): DrawSeen(10 + number, signed, sample=LEAVES, verdicts={"bank-a": verdict})
        for number, verdict in enumerate(verdicts or [])
    }
    material = SimpleNamespace(asked=asked, inquiries=counted)
    return SimpleNamespace(material=material, draws=draws, epochs={each.epoch_id: each for each in epochs})


def verdict(*broken: int) -> ConsentVerdict:
    each = tuple(Broken(at, LEAVES[at].hash.hex(), Rule.REVOKED) for at in broken)
    return ConsentVerdict("ab" * 32, "bank-a", 1, 3, 3 - len(each), 0, each)


def test_an_epoch_whose_roster_names_no_authority_is_said_to_ask_without(with_consent: EpochContext) -> None:
    bare = epoch_of(NOW)
    rows = [consent(view(each), 0.0).rows[0] for each in (with_consent, bare)]
    assert [row.values["receipts"] for row in rows] == ["needed", WITHOUT]
    assert [bool(row.values["authorities"]) for row in rows] == [True, False]
    assert not any(row.red for row in rows)


def test_what_is_broken_is_red_at_its_epoch_and_the_newest_draw_counts(with_consent: EpochContext) -> None:
    red = consent(view(with_consent, verdicts=[verdict(3, 9)]), 0.0).rows[0]
    assert (red.values["drawn"], red.values["broken"], red.values["rules"]) == (3, 2, "revoked")
    assert red.red == "broken: revoked"
    again = consent(view(with_consent, verdicts=[verdict(3, 9), verdict(9)]), 0.0).rows[0]
    assert again.values["broken"] == 1
    assert not consent(view(with_consent, verdicts=[verdict(3, 9), verdict()]), 0.0).rows[0].red


def test_places_are_counted_by_their_epoch_and_what_is_no_inquiry_is_of_none() -> None:
    asked = Asked()
    for at, epoch in ((2, "a"), (7, "b"), (9, "a")):
        asked.add(at, epoch)
    assert asked.by_epoch([2, 3, 9, 100]) == {"a": 2}
    assert asked.by_epoch([7]) == {"b": 1}
