"""Rounding at source, and reading the sum: a sum that members can make has one reading, no other is believed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores_world import CATALOGUE, published_model, world

from federation.errors import RecordsError
from federation.lookup.record import (
    CLIP,
    LARGEST,
    MAX_MEMBERS,
    STEPS,
    Contribution,
    JointSum,
    contributions,
    prior,
    quantise,
)
from federation.scorecard import Scorer
from federation.training import logits
from protocols.errors import MessageError
from protocols.lookup.parameters import CHECK, COUNT, EVIDENCE, MODULUS

numbers = st.lists(st.floats(-40, 40), min_size=6, max_size=6)


def record(values: list[float]) -> np.ndarray:
    return np.asarray(quantise(np.array(values[:1]), np.array([values[1:]]))[0])


def opened(records: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.sum([np.zeros(8, np.int64), *records], axis=0) % MODULUS, dtype=np.uint32)


def test_no_sum_of_the_largest_roster_wraps_around_and_one_member_more_could() -> None:
    assert MAX_MEMBERS * LARGEST < MODULUS / 2
    assert (MAX_MEMBERS + 1) * LARGEST > MODULUS / 2
    for sign in (1, -1):
        most = record([sign * 99.0] * 6).astype(np.int64) * MAX_MEMBERS
        known = JointSum.read((most % MODULUS).astype(np.uint32), MAX_MEMBERS)
        assert (known.count, known.evidence, known.parts) == (
            MAX_MEMBERS,
            sign * CLIP * MAX_MEMBERS,
            (sign * CLIP * MAX_MEMBERS,) * 5,
        )


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, min_size=0, max_size=5))
def test_the_sum_mod_t_reads_as_the_sum_of_rounded_records(said: list[list[float]]) -> None:
    known = JointSum.read(opened([record(values) for values in said]), members=5)
    expected = np.sum([np.zeros(6), *(np.clip(values, -CLIP, CLIP) for values in said)], axis=0)
    assert known.count == len(said)
    assert np.abs(np.array([known.evidence, *known.parts]) - expected).max() <= len(said) / (2 * STEPS) + 1e-9


@given(numbers, numbers)
def test_own_record_of_today_takes_the_place_of_the_published_one(own: list[float], other: list[float]) -> None:
    published = record(own)
    known = JointSum.read(opened([published, record(other)]), members=3)
    live = Contribution(0.3, (0.1, 0.2, 0.0, 0.0, 0.0))
    alone = JointSum.read(opened([record(other)]), members=3)
    assert known.with_own(published, None) == alone
    together = known.with_own(published, live)
    assert together.count == 2
    assert together.evidence == pytest.approx(alone.evidence + 0.3)
    assert alone.with_own(None, live).parts == pytest.approx(together.parts)


def test_records_follow_the_scorer_and_a_thin_file_says_nothing() -> None:
    model, (records, _) = published_model(), world(3, 50)
    scorer = Scorer(model, CATALOGUE)
    evidence, parts = contributions(scorer, records)
    expected = logits(CATALOGUE, model.plan.recipe, model.vector, records.codes) - prior(CATALOGUE)
    thin = scorer.score(records).outcome == 1
    assert evidence[~thin] == pytest.approx(expected[~thin], abs=1e-9)
    assert parts.sum(axis=1) == pytest.approx(evidence, abs=1e-9)
    unknown = np.tile(np.array([f.n_cells for f in CATALOGUE.features], np.uint8), (1, 1))
    values = quantise(*contributions(scorer, type(records)(unknown)))
    assert values.tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]]
    assert JointSum.read(opened([values[0]]), 3).says_nothing


@pytest.mark.parametrize(
    ("column", "value"),
    [(CHECK, 1), (COUNT, 4), (COUNT, MODULUS - 1), (EVIDENCE, 3 * LARGEST + 1), (7, MODULUS - 3 * LARGEST - 1)],
)
def test_a_sum_that_members_cannot_have_made_is_refused(column: int, value: int) -> None:
    values = opened([record([16.0] * 6)] * 3)
    JointSum.read(values, members=3)
    values[column] = value
    with pytest.raises(MessageError):
        JointSum.read(values, members=3)


def test_nobody_says_nothing() -> None:
    assert JointSum.read(np.zeros(8, np.uint32), 3).count == 0
    with pytest.raises(MessageError):
        JointSum(0, 0.125, (0.0,) * 5)
    with pytest.raises(MessageError):
        JointSum(1, float("nan"), (0.0,) * 5)
    with pytest.raises(MessageError):
        JointSum(0, 0.0, (0.0,) * 5).with_own(record([1.0] * 6), None)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(wrong: float) -> None:
    with pytest.raises(RecordsError):
        quantise(np.array([wrong]), np.zeros((1, 5)))
    with pytest.raises(RecordsError):
        Contribution(0.0, (wrong, 0.0, 0.0, 0.0, 0.0))
    with pytest.raises(RecordsError):
        quantise(np.zeros(2), np.zeros((1, 5)))


def test_values_stay_out_of_reprs() -> None:
    assert "0.375" not in repr(JointSum(1, 0.375, (0.375,) * 5)) + repr(Contribution(0.375, (0.375,) * 5))
