"""An outcome is whole or cannot be made; JSON gives the same value back."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from federation.lookup.outcome import Freshness, NoHit, Outcome, Reason, Scored, ThinFile, Unavailable, from_json
from protocols.errors import MessageError

FRESH = Freshness(epoch="ab" * 32, counter=3, as_of=1_700_000_000, closes_at=1_700_604_800, model="cd" * 32)
SCORED = Scored(
    score=640.0,
    unclamped=640.0,
    band="good",
    parts={"history": 600.0, "capacity": 40.0},
    reasons=(Reason("history", 12.5, ("delinquency",)), Reason("capacity", 3.0, ("income", "burden"))),
    members=2,
    own=True,
    freshness=FRESH,
)
ALL: list[Outcome] = [
    SCORED,
    dataclasses.replace(SCORED, parts=None, reasons=(), calibrated=True, reference="average subject"),
    ThinFile(1, False, FRESH),
    NoHit(FRESH),
    Unavailable("bank-2", "unreachable"),
]


@pytest.mark.parametrize("outcome", ALL, ids=lambda outcome: outcome.kind)
def test_json_gives_the_same_outcome_back(outcome: Outcome) -> None:
    value = json.loads(json.dumps(outcome.to_json()))
    assert from_json(value) == outcome
    for field in value:
        with pytest.raises(MessageError):
            from_json({name: content for name, content in value.items() if name != field})
    with pytest.raises(MessageError):
        from_json(value | {"more": 1})


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": 0},
        {"members": True},
        {"score": None},
        {"score": math.nan},
        {"unclamped": math.inf},
        {"band": ""},
        {"own": 1},
        {"freshness": None},
        {"parts": {"history": 600.0}},
        {"parts": None},
        {"reasons": SCORED.reasons[::-1]},
        {"reasons": SCORED.reasons[:1] * 5},
    ],
    ids=str,
)
def test_half_a_score_cannot_be_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        dataclasses.replace(SCORED, **wrong)


@pytest.mark.parametrize(
    "make", [lambda: ThinFile(0, False, FRESH), lambda: Unavailable("", "x"), lambda: from_json([])]
)
def test_other_outcomes_are_whole_too(make: Any) -> None:
    with pytest.raises(MessageError):
        make()


def test_no_answer_carries_no_score_and_a_partial_one_is_no_outcome() -> None:
    with pytest.raises(MessageError):
        from_json(Unavailable("pool", "unreachable").to_json() | {"score": 640.0})
    with pytest.raises(MessageError):
        from_json(SCORED.to_json() | {"outcome": "no_hit"})
    with pytest.raises(MessageError):
        from_json(SCORED.to_json() | {"outcome": "partial"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCORED.score = 900.0  # type: ignore[misc]
    assert "640" not in repr(SCORED)
