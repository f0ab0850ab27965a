"""Parts, reasons, coverage and outcomes of an additive model, against arithmetic done the long way."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.catalogue import Catalogue, Dimension, load_catalogue
from federation.errors import ConfigurationError, RecordsError
from federation.records.encoded import Encoded
from federation.scorecard import DIMENSIONS, Outcome, Scaling, Scorecard, SubjectScore, score_logits
from federation.scorecard.card import AVERAGE, NEUTRAL
from federation.scorecard.reasons import rank

CATALOGUE = load_catalogue("synthetic")
Tables = list[np.ndarray]


def effects(seed: int, size: float = 0.4, catalogue: Catalogue = CATALOGUE) -> Tables:
    rng = np.random.default_rng(seed)
    return [rng.normal(0, size, feature.n_cells) for feature in catalogue.features]


def records(seed: int, n: int = 200, *, absent: bool = True) -> Encoded:
    rng = np.random.default_rng(seed)
    top = 1 if absent else 0
    codes = [rng.integers(0, feature.n_cells + top, n) for feature in CATALOGUE.features]
    return Encoded(np.stack(codes, axis=1).astype(np.uint8))


def shares(seed: int) -> Tables:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.ones(feature.n_cells)) for feature in CATALOGUE.features]


def log_odds(tables: Tables, codes: np.ndarray) -> np.ndarray:
    rate = CATALOGUE.base_rate
    total = np.full(codes.shape[0], math.log(rate / (1 - rate)))
    for position, table in enumerate(tables):
        total += np.append(table, 0.0)[codes[:, position]]
    return total


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.01, 5))
def test_parts_sum_to_the_score_before_clamping_and_to_the_log_odds(seed: int, size: float) -> None:
    tables, found = effects(seed, size), records(seed)
    scaling = Scaling(minimum_known=0.0)
    scores = Scorecard(CATALOGUE, tables, scaling).score(found)
    assert scores.parts is not None
    assert np.array_equal(scores.parts.sum(axis=1), scores.unclamped)
    assert np.array_equal(np.clip(scores.unclamped, 350, 950), scores.score)
    assert scores.unclamped == pytest.approx(scaling.from_logits(log_odds(tables, found.codes)), abs=1e-7)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_a_riskier_cell_never_raises_the_score(seed: int) -> None:
    tables, found = effects(seed), records(seed, 20)
    rng = np.random.default_rng(seed)
    position = int(rng.integers(len(tables)))
    card = Scorecard(CATALOGUE, tables, Scaling(minimum_known=0.0))
    order = np.argsort(tables[position])
    swept = np.repeat(found.codes[:1], order.size, axis=0)
    swept[:, position] = order
    assert (np.diff(card.score(Encoded(swept)).score) <= 1e-9).all()


def test_points_no_feature_explains_follow_the_dimension_weights() -> None:
    scaling = Scaling()
    card = Scorecard(CATALOGUE, [np.zeros(f.n_cells) for f in CATALOGUE.features], scaling)
    scores = card.score(records(1, 3, absent=False))
    rate = CATALOGUE.base_rate
    neutral = scaling.points((1 - rate) / rate)
    weights = np.array([CATALOGUE.dimension_weights[d] for d in Dimension])
    assert DIMENSIONS == ("history", "utilisation", "capacity", "stability", "enquiries")
    assert scores.unclamped == pytest.approx(np.full(3, neutral))
    assert scores.parts == pytest.approx(np.tile(neutral * weights / weights.sum(), (3, 1)))


def test_a_feature_that_is_not_held_contributes_nothing_and_the_result_says_so() -> None:
    tables, found = effects(3), records(3, 50, absent=False)
    codes = found.codes.copy()
    codes[:, 4] = CATALOGUE.features[4].n_cells
    scores = Scorecard(CATALOGUE, tables).score(Encoded(codes))
    without = [np.zeros_like(table) if i == 4 else table for i, table in enumerate(tables)]
    reference = Scorecard(CATALOGUE, without).score(found)
    assert scores.unclamped == pytest.approx(reference.unclamped)
    assert scores.coverage.not_held == (CATALOGUE.features[4].name,)
    assert scores.coverage.held == len(CATALOGUE.features) - 1
    assert scores.subject(0).to_json()["coverage"]["not_held"] == [CATALOGUE.features[4].name]


def test_reasons_are_distances_from_the_average_subject() -> None:
    tables, found, average = effects(5), records(5, 300, absent=False), shares(5)
    card = Scorecard(CATALOGUE, tables, Scaling(minimum_known=0.0), average)
    scores = card.score(found)
    assert scores.reasons is not None
    assert scores.lost is not None
    assert scores.reference == AVERAGE
    factor = Scaling().factor
    for row in range(0, 300, 37):
        lost = dict.fromkeys(card.families, 0.0)
        for position, feature in enumerate(CATALOGUE.features):
            table = tables[position]
            lost[feature.reason] += factor * (table[found.codes[row, position]] - table @ average[position])
        expected = sorted((points for points in lost.values() if points >= 1), reverse=True)[:4]
        assert scores.lost[row, : len(expected)] == pytest.approx(expected)
        listed = scores.subject(row).reasons
        assert listed is not None
        for family, points in listed:
            assert points == pytest.approx(lost[family])


def test_without_shares_the_neutral_point_is_named() -> None:
    scores = Scorecard(CATALOGUE, effects(1)).score(records(1, 5, absent=False))
    assert scores.subject(0).reference == NEUTRAL == "neutral point"


def test_average_and_neutral_reference_differ_by_a_constant_per_family() -> None:
    tables, found = effects(8), records(8, 4, absent=False)
    assert shares(8)[0].sum() == pytest.approx(1)
    a = Scorecard(CATALOGUE, tables, shares=shares(8)).score(found)
    b = Scorecard(CATALOGUE, tables).score(found)
    assert np.array_equal(a.unclamped, b.unclamped)
    assert not np.array_equal(a.lost, b.lost)


def test_at_most_four_reasons_and_enquiries_as_a_fifth() -> None:
    enquiries = np.array([False, False, False, False, False, True])
    losses = np.array(
        [
            [9.0, 8.0, 7.0, 6.0, 5.0, 2.0],  # enquiries outside the four heaviest: the fifth place
            [9.0, 8.0, 7.0, 6.0, 5.0, 0.5],  # too small to count
            [9.0, 8.0, 7.0, 0.2, 5.0, 6.0],  # among the four already
            [2.0, -3.0, 0.0, 0.9, -1.0, 0.0],  # one reason only
        ]
    )
    reasons, lost = rank(losses, enquiries)
    assert reasons.tolist() == [[0, 1, 2, 3, 5], [0, 1, 2, 3, -1], [0, 1, 2, 5, -1], [0, -1, -1, -1, -1]]
    assert lost[0].tolist() == [9, 8, 7, 6, 2]
    assert lost[3].tolist() == [2, 0, 0, 0, 0]


def test_few_families_fit_without_a_fifth_place() -> None:
    reasons, _ = rank(np.array([[1.0, 3.0]]), np.array([True, False]))
    assert reasons.tolist() == [[1, 0, -1, -1, -1]]


def test_a_thin_file_is_typed_and_has_no_score() -> None:
    codes = np.array([[feature.missing_cell for feature in CATALOGUE.features]] * 2, dtype=np.uint8)
    threshold = math.ceil(0.3 * len(CATALOGUE.features))
    codes[1, :threshold] = 0
    scores = Scorecard(CATALOGUE, effects(2)).score(Encoded(codes))
    assert scores.outcome.tolist() == [Outcome.THIN_FILE, Outcome.SCORED]
    assert scores.known.tolist() == [0, threshold]
    assert math.isnan(scores.score[0])
    assert scores.band[0] == -1
    thin = scores.subject(0, "p").to_json()
    assert thin["outcome"] == "thin_file"
    assert thin["score"] is thin["parts"] is thin["reasons"] is None
    assert scores.counts() == {"scored": 1, "thin_file": 1, "no_hit": 0}
    assert sum(scores.band_counts().values()) == 1


def test_special_codes_count_as_known() -> None:
    position = next(i for i, f in enumerate(CATALOGUE.features) if f.specials)
    codes = np.array([[f.missing_cell for f in CATALOGUE.features]], dtype=np.uint8)
    codes[0, position] = CATALOGUE.features[position].n_ordered
    assert Scorecard(CATALOGUE, effects(2)).score(Encoded(codes)).known.tolist() == [1]


def test_no_hit_is_a_typed_result() -> None:
    result = SubjectScore.no_hit("P-1")
    assert result.to_json()["outcome"] == "no_hit"
    assert result.score is None


def test_a_frame_has_one_row_per_subject_and_nulls_where_there_is_nothing() -> None:
    codes = records(4, 3, absent=False).codes
    codes[2] = [feature.missing_cell for feature in CATALOGUE.features]
    scores = Scorecard(CATALOGUE, effects(4)).score(Encoded(codes))
    frame = scores.to_frame(["a", "b", "c"])
    assert frame["subject"].to_list() == ["a", "b", "c"]
    assert frame["outcome"].to_list() == ["scored", "scored", "thin_file"]
    assert frame.row(2, named=True) | {"known": None} == {
        **dict.fromkeys(frame.columns),
        "subject": "c",
        "outcome": "thin_file",
        "features_held": len(CATALOGUE.features),
    }
    parts = frame.select([f"part_{name}" for name in DIMENSIONS]).sum_horizontal()[0]
    assert parts == pytest.approx(frame["unclamped"][0], abs=0.02)
    assert frame["band"][0] == scores.subject(0).band
    listed = [frame[f"reason_{i + 1}"][0] for i in range(5)]
    assert [name for name in listed if name] == [name for name, _ in scores.subject(0).reasons or ()]


def test_a_model_that_is_not_additive_has_scores_but_neither_parts_nor_reasons() -> None:
    found = records(6, 10, absent=False)
    logits = np.linspace(-4, 3, 10)
    scores = score_logits(CATALOGUE, logits, found, Scaling())
    assert scores.unclamped == pytest.approx(Scaling().from_logits(logits))
    assert scores.parts is None
    document = scores.subject(0).to_json()
    assert document["parts"] is document["reasons"] is None
    assert "not additive" in document["note"]
    assert "part_history" not in scores.to_frame().columns


def test_logits_of_another_length_are_refused() -> None:
    with pytest.raises(RecordsError, match="logits"):
        score_logits(CATALOGUE, np.zeros(3), records(1, 4), Scaling())


def test_many_rows_are_scored_as_few_are() -> None:
    card, found = Scorecard(CATALOGUE, effects(9)), records(9, 40_000, absent=False)
    whole = card.score(found)
    part = card.score(found.take(np.arange(39_000, 40_000)))
    assert np.array_equal(whole.score[39_000:], part.score, equal_nan=True)
    assert np.array_equal(whole.reasons[39_000:], part.reasons)


def test_no_rows_give_no_scores() -> None:
    scores = Scorecard(CATALOGUE, effects(1)).score(records(1, 0))
    assert len(scores) == 0
    assert scores.to_frame([]).height == 0
    assert scores.coverage.not_held == ()


@pytest.mark.parametrize("broken", ["count", "shape", "nan"])
def test_tables_that_do_not_fit_the_catalogue_are_refused(broken: str) -> None:
    tables = effects(1)
    if broken == "count":
        tables = tables[1:]
    elif broken == "shape":
        tables[2] = tables[2][1:]
    else:
        tables[2][0] = math.nan
    with pytest.raises(ConfigurationError, match=r"scorecard\.effects"):
        Scorecard(CATALOGUE, tables)


def test_codes_beyond_the_catalogue_are_refused_without_showing_them() -> None:
    codes = records(1, 5).codes
    codes[0, 3] = 200
    with pytest.raises(RecordsError, match=CATALOGUE.features[3].name):
        Scorecard(CATALOGUE, effects(1)).score(Encoded(codes))
    with pytest.raises(RecordsError, match="shape"):
        Scorecard(CATALOGUE, effects(1)).score(Encoded(codes[:, 1:]))


def test_weights_that_are_all_zero_are_refused() -> None:
    none = replace(CATALOGUE, dimension_weights=dict.fromkeys(Dimension, 0.0))
    with pytest.raises(ConfigurationError, match="dimension_weights"):
        Scorecard(none, effects(1))
