"""The charged release: sensitivity, layout, and what can be read from the noisy sum."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores_world import CATALOGUE, world

from federation.errors import PrivacyError, RecordsError
from federation.evaluation import EvaluationSpec, evaluate, histograms
from federation.evaluation.postprocess import cell_shares, non_negative, reconcile
from federation.evaluation.spec import lay_out
from federation.evaluation.tables import minimum, starts_of
from federation.records.encoded import Encoded
from federation.scorecard import Band, Scaling

SPEC = EvaluationSpec.from_catalogue(CATALOGUE)
RECORDS, LOGITS = world(1, 6_000)


def draw(seed: int, n: int) -> tuple[Encoded, np.ndarray]:
    """Records of any kind: features not held, attributes not held, log-odds far outside the bins."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, f.n_cells + 1, n) for f in CATALOGUE.features], axis=1).astype(np.uint8)
    groups = {p.name: rng.integers(0, 256, n).astype(np.uint8) for p in CATALOGUE.protected if rng.random() < 0.7}
    return Encoded(codes, rng.integers(0, 2, n).astype(np.uint8), groups), rng.normal(-2, 6, n)


@given(st.integers(0, 10_000), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_adding_or_removing_a_record_moves_the_vector_by_at_most_one(seed: int, n: int) -> None:
    found, logits = draw(seed, n)
    keep = np.arange(n) != seed % n
    whole, less = SPEC.counts(logits, found), SPEC.counts(logits[keep], found.take(keep))
    assert np.linalg.norm(whole - less) <= 1.0
    assert SPEC.sensitivity <= 1.0


def test_a_full_record_uses_the_whole_sensitivity() -> None:
    one = SPEC.counts(LOGITS[:1], RECORDS.take(np.arange(1)))
    assert np.linalg.norm(one) == pytest.approx(1.0)
    assert np.linalg.norm(one) == pytest.approx(SPEC.sensitivity)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_vectors_add_up_over_institutions(seed: int) -> None:
    found, logits = draw(seed, 40)
    first = np.arange(40) < 17
    parts = SPEC.counts(logits[first], found.take(first)) + SPEC.counts(logits[~first], found.take(~first))
    assert SPEC.counts(logits, found) == pytest.approx(parts)


def test_blocks_fill_the_vector_without_gaps() -> None:
    assert SPEC.blocks[0].start == 0
    assert [b.start for b in SPEC.blocks[1:]] == [b.stop for b in SPEC.blocks[:-1]]
    assert SPEC.size == sum(math.prod(b.shape) for b in SPEC.blocks)
    assert len(SPEC.counts(LOGITS, RECORDS)) == SPEC.size


@pytest.mark.parametrize("shares", [(0.5, 0.25, 0.25), (1, 1, 2)])
def test_however_the_norm_is_divided_a_record_moves_the_vector_by_one(shares: tuple[float, float, float]) -> None:
    blocks = lay_out(SPEC.scores, SPEC.coarse, SPEC.groups, SPEC.features, shares)
    divided = replace(SPEC, blocks=blocks)
    assert divided.sensitivity == pytest.approx(1)
    assert divided.sensitivity <= 1
    kinds = [[b.weight**2 for b in blocks if b.name.startswith(kind)] for kind in ("scores", "group:", "cells:")]
    assert [sum(kind) for kind in kinds] == pytest.approx([share / sum(shares) for share in shares])


def test_without_protected_attributes_their_share_goes_to_the_others() -> None:
    bare = EvaluationSpec.from_catalogue(replace(CATALOGUE, protected=()))
    assert bare.sensitivity == pytest.approx(1.0)
    assert bare.blocks[0].weight > SPEC.blocks[0].weight
    found = replace(RECORDS, protected={})
    assert bare.read(bare.counts(LOGITS, found), 0.0).group_counts == {}


@given(st.floats(0.01, 0.9), st.floats(10, 120))
@settings(max_examples=40, deadline=None)
def test_band_edges_are_bin_edges_and_coarse_edges_are_fine_edges(rate: float, pdo: float) -> None:
    scaling = Scaling(pdo=pdo)
    spec = EvaluationSpec.from_catalogue(replace(CATALOGUE, base_rate=rate), scaling)
    assert set(scaling.cuts) <= {round(p, 6) for p in spec.coarse.points}
    assert set(spec.coarse.points) <= set(spec.scores.points)
    assert list(spec.scores.logits) == sorted(spec.scores.logits)
    assert starts_of(spec.scores, spec.coarse).size == spec.coarse.bins
    bins = spec.scores.bin(np.array(spec.scores.logits))
    assert bins.tolist() == list(range(spec.scores.bins - 1))


def test_one_band_has_no_cuts_and_still_a_layout() -> None:
    scaling = Scaling(bands=(Band("all", 350, 950),))
    spec = EvaluationSpec.from_catalogue(CATALOGUE, scaling)
    tables = spec.read(spec.counts(LOGITS, RECORDS), 0.0)
    assert tables.bands(scaling)["all"].value == pytest.approx(1.0)


@pytest.mark.parametrize(("value", "same_as"), [(np.inf, 1e9), (-np.inf, -1e9), (np.nan, 0.0), (1e300, 1e9)])
def test_no_logit_is_an_error(value: float, same_as: float) -> None:
    """Or a model that breaks down for one record would tell, through the refusal, whether that record is there."""
    one = np.arange(6_000) == 5
    counted = SPEC.counts(np.where(one, value, LOGITS), RECORDS)
    assert np.array_equal(counted, SPEC.counts(np.where(one, same_as, LOGITS), RECORDS))
    assert np.linalg.norm(counted - SPEC.counts(LOGITS[~one], RECORDS.take(~one))) <= 1


@pytest.mark.parametrize(
    ("logits", "change", "where"),
    [
        (LOGITS, {"target": None}, "target"),
        (LOGITS[1:], {}, "logits"),
        (LOGITS, {"codes": RECORDS.codes[:, 1:]}, "codes"),
        (LOGITS, {"target": np.full(6_000, 2, dtype=np.uint8)}, "target"),
    ],
)
def test_what_cannot_be_counted_is_refused(logits: np.ndarray, change: dict[str, object], where: str) -> None:
    with pytest.raises(RecordsError) as caught:
        SPEC.counts(logits, replace(RECORDS, **change))  # type: ignore[arg-type]
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("vector", "sd"),
    [
        (np.zeros(3), 1.0),
        (np.full(SPEC.size, np.nan), 1.0),
        (np.zeros(SPEC.size), -1.0),
        (np.zeros(SPEC.size), math.inf),
    ],
)
def test_what_cannot_be_read_is_refused(vector: np.ndarray, sd: float) -> None:
    with pytest.raises(PrivacyError):
        SPEC.read(vector, sd)


def test_without_noise_the_tables_are_the_counts() -> None:
    tables = SPEC.read(SPEC.counts(LOGITS, RECORDS), 0.0)
    exact = evaluate(RECORDS.target, LOGITS)
    assert tables.records == pytest.approx(6_000)
    assert tables.bad_rate == pytest.approx(exact.bad_rate)
    assert tables.metrics["auc"].value == pytest.approx(exact.auc, abs=0.006)
    assert tables.metrics["ks"].value == pytest.approx(exact.ks, abs=0.02)
    assert tables.metrics["brier"].value == pytest.approx(exact.brier, abs=0.003)
    assert tables.metrics["ece"].value == pytest.approx(exact.ece, abs=0.01)
    assert tables.metrics["auc"].noise_se == pytest.approx(0, abs=1e-12)
    assert tables.metrics["auc"].se > 0.005
    for position, share in enumerate(tables.cell_shares()):
        found = np.bincount(RECORDS.codes[:, position], minlength=share.size) / 6_000
        assert share == pytest.approx(found)
    bands = tables.bands(Scaling())
    scores = Scaling().clamp(Scaling().from_logits(LOGITS))
    index = Scaling().band_index(scores)
    assert [e.value for e in bands.values()] == pytest.approx([(index == i).mean() for i in range(5)])


def test_the_standard_error_is_that_of_the_release_and_the_bias_is_small() -> None:
    truth = SPEC.counts(LOGITS, RECORDS)
    exact = SPEC.read(truth, 0.0).metrics
    rng = np.random.default_rng(3)
    reads = [SPEC.read(truth + rng.normal(0, 4, SPEC.size), 4.0).metrics for _ in range(60)]
    for name in ("auc", "ks", "brier", "bad_rate"):
        values = np.array([read[name].value for read in reads])
        claimed = np.mean([read[name].noise_se for read in reads])
        assert 0.7 < values.std() / claimed < 1.4, name
        assert abs(values.mean() - exact[name].value) < claimed, name
    low, high = reads[0]["auc"].interval
    assert low < reads[0]["auc"].value < high


def test_noise_sd_is_stated_per_block() -> None:
    tables = SPEC.read(SPEC.counts(LOGITS, RECORDS), 12.0)
    for block in SPEC.blocks:
        assert tables.block_sd[block.name] == pytest.approx(12.0 / block.weight)


def test_too_few_records_suppress_every_figure_and_say_so() -> None:
    few = np.arange(40)
    tables = SPEC.read(SPEC.counts(LOGITS[few], RECORDS.take(few)), 0.0)
    assert {estimate.value for estimate in tables.metrics.values()} == {None}
    assert "needed" in tables.metrics["auc"].note
    assert tables.metrics["auc"].interval is None
    assert tables.calibration() == ()
    assert tables.cell_shares() == ()
    assert {band.value for band in tables.bands(Scaling()).values()} == {None}
    empty = SPEC.read(np.zeros(SPEC.size), 0.0)
    assert math.isnan(empty.bad_rate)
    assert minimum(sd=100.0, cells=4) == 600.0


def test_calibration_points_are_close_to_the_diagonal_for_a_calibrated_model() -> None:
    tables = SPEC.read(SPEC.counts(LOGITS, RECORDS), 0.0)
    points = tables.calibration()
    assert 4 <= len(points) <= 10
    assert sum(p.records for p in points) == pytest.approx(6_000)
    assert all(abs(p.predicted - p.observed) < 4 * p.se + 0.01 for p in points)
    noisy = SPEC.read(SPEC.counts(LOGITS, RECORDS), 10.0).calibration()
    assert min(p.se for p in noisy) > min(p.se for p in points)


def test_groups_that_are_not_held_are_unknown() -> None:
    found = replace(RECORDS, protected={})
    tables = SPEC.read(SPEC.counts(LOGITS, found), 0.0)
    for counts in tables.group_counts.values():
        assert counts[..., :-1].sum() == pytest.approx(0)
        assert counts[..., -1].sum() == pytest.approx(6_000)


@given(st.lists(st.floats(-50, 200), min_size=1, max_size=12))
def test_projection_is_non_negative_and_keeps_the_total(values: list[float]) -> None:
    counts = np.array(values)
    found = non_negative(counts)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(max(counts.sum(), 0), abs=1e-6)
    if (counts >= 0).all():
        assert found == pytest.approx(counts)
    assert cell_shares(counts).sum() == pytest.approx(1)


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_reconciled_tables_agree_and_are_nearer_to_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.poisson(200, (3, 2, 4)).astype(float)
    fine = np.repeat(table.sum(axis=-1) / 2, 2, axis=0)
    starts = np.array([0, 2, 4])
    draws = 300
    noisy_fine = fine + rng.normal(0, 20, (draws, *fine.shape))
    noisy_table = table + rng.normal(0, 10, (draws, *table.shape))
    scores, (groups,) = reconcile(noisy_fine, 20, [noisy_table], [10], starts)
    assert np.add.reduceat(scores, starts, axis=-2) == pytest.approx(groups.sum(axis=-1))
    assert np.mean((scores - fine) ** 2) < np.mean((noisy_fine - fine) ** 2)
    assert np.mean((groups - table) ** 2) < np.mean((noisy_table - table) ** 2)


def test_nothing_to_reconcile_without_noise() -> None:
    fine, table = np.ones((2, 2)), np.ones((2, 2, 2))
    scores, groups = reconcile(fine, 0.0, [table], [0.0], np.array([0, 1]))
    assert scores is fine
    assert groups[0] is table


def test_a_cut_off_that_is_no_edge_is_refused() -> None:
    with pytest.raises(RecordsError, match="cut-off"):
        SPEC.scores.below(601.0)
    assert histograms.merge(np.ones((4, 2)), np.array([0, 2])).tolist() == [[2, 2], [2, 2]]
