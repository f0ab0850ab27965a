"""What a member adds is an exact integer sum of bounded parts, whatever the model and however records are dealt."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sums_samples import METHODS, catalogue, model, records, state

from federation.errors import ConfigurationError, RecordsError
from federation.privacy.exact import MOST, POINTS
from federation.records.encoded import Encoded
from federation.training.fixed_point import LOGIT, RESIDUAL
from federation.training.sums import Method, Stage, SumModel
from federation.training.sums import model as model_module
from federation.training.sums.part import Setting
from federation.training.sums.state import LIMIT

FIRST = {method: {stage: model(method).rounds.index(stage) + 1 for stage in model(method).rounds} for method in METHODS}
EVERY = [(method, stage) for method in METHODS for stage in FIRST[method]]


def norm(vector: np.ndarray) -> float:
    return math.sqrt(sum(int(value) ** 2 for value in vector))


@pytest.mark.parametrize(("method", "stage"), EVERY)
@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 5))
@settings(max_examples=8, deadline=None)
def test_the_sum_over_parts_is_the_sum_over_all(method: Method, stage: Stage, seed: int, parts: int) -> None:
    of, r = model(method), FIRST[method][stage]
    held, now = records(200, seed), state(of, seed)
    owner = np.random.default_rng(seed).integers(0, parts, len(held))
    summed = sum(of.contribution(r, now, held.take(owner == k)) for k in range(parts))
    assert np.array_equal(summed, of.contribution(r, now, held))
    assert of.contribution(r, now, held.take(np.zeros(len(held), dtype=np.bool_))).tolist() == [0] * of.width(r)


@pytest.mark.parametrize(("method", "stage"), EVERY)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.0, 0.3, 30.0]))
@settings(max_examples=10, deadline=None)
def test_no_record_moves_the_sum_by_more_than_the_sensitivity(
    method: Method, stage: Stage, seed: int, spread: float
) -> None:
    of, r = model(method), FIRST[method][stage]
    held, now = records(30, seed), state(of, seed, spread)
    everybody = of.contribution(r, now, held)
    for i in range(0, len(held), 7):
        without = of.contribution(r, now, held.take(np.arange(len(held)) != i))
        assert norm(everybody - without) <= of.sensitivity(r)


@pytest.mark.parametrize(("method", "stage"), EVERY)
def test_some_record_attains_the_sensitivity_within_a_percent(method: Method, stage: Stage) -> None:
    of, r = model(method), FIRST[method][stage]
    found = max(norm(of.contribution(r, of.initial(), records(1, seed, absent=False))) for seed in range(20))
    assert 0.99 * of.sensitivity(r) < found <= of.sensitivity(r)


@pytest.mark.parametrize("stage", [Stage.HISTOGRAM, Stage.CALIBRATION])
def test_counts_are_whole_records(stage: Stage) -> None:
    of, r, held = model("gp"), FIRST["gp"][stage], records(500, absent=False)
    cells = 1 if stage is Stage.CALIBRATION else len(of.catalogue.features)
    unit = math.isqrt(POINTS**2 // cells)
    summed = of.contribution(r, of.initial(), held)
    assert not (summed % unit).any()
    assert summed.sum() == 500 * cells * unit
    if stage is Stage.CALIBRATION:
        assert summed[: of.width(r) // 2].sum() == int(held.target.sum()) * unit
    assert of.sensitivity(r) - 1 < unit * math.sqrt(cells) <= of.sensitivity(r) <= POINTS


def test_residuals_are_clipped_after_rounding() -> None:
    """At the clip a record adds exactly the limit times its embedding: one step more and the sensitivity would lie."""
    of, r = model("gp"), FIRST["gp"][Stage.MAINS]
    one = replace(records(1, absent=False), target=np.array([1], dtype=np.uint8))
    rows = np.concatenate([t[c] for t, c in zip(of.setting.mains.steps, one.codes[0], strict=True)])
    assert np.array_equal(of.contribution(r, of.initial(), one), -of.setting.residual_limit * rows)
    assert of.setting.residual_limit == int(of.recipe.clip * RESIDUAL)


@pytest.mark.parametrize("stage", [Stage.MAINS, Stage.PAIRS])
def test_without_the_clip_a_chosen_record_would_move_more_than_is_charged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, r = model("gp"), FIRST["gp"][stage]
    unlikely = replace(records(1, absent=False), target=np.array([1], dtype=np.uint8))
    charged = of.sensitivity(r)
    assert norm(of.contribution(r, of.initial(), unlikely)) <= charged
    monkeypatch.setattr(Setting, "residual_limit", RESIDUAL)
    assert norm(of.contribution(r, of.initial(), unlikely)) > 1.5 * charged


@pytest.mark.parametrize("sign", [-1, 1])
def test_log_odds_of_the_largest_state_do_not_overflow(sign: int) -> None:
    of, held = model("gp"), records(50, absent=False)
    largest = np.full(of.size, sign * LIMIT, dtype=np.float32)
    parts = of.setting.layout.read(largest)
    expected = []
    for row, pair_row in zip(held.codes, of.setting.pairs.codes(held), strict=True):
        pairs = zip(of.setting.pairs.embedding.steps, pair_row, strict=True)
        weight = sign * int(LIMIT) * 2**20
        expected.append(
            of.setting.base + sign * len(row) * int(LIMIT) * LOGIT + sum(weight * int(t[c].sum()) for t, c in pairs)
        )
    assert of.setting.log_odds(parts, held).tolist() == expected
    for stage, r in FIRST["gp"].items():
        assert norm(of.contribution(r, largest, held)) <= len(held) * of.sensitivity(r), stage


def test_the_most_records_at_the_highest_sensitivity_stay_within_a_sum() -> None:
    for method in METHODS:
        of = model(method)
        highest = max(of.sensitivity(r) for r in range(1, len(of.rounds) + 1))
        assert model_module.MAX_RECORDS * highest <= MOST // 2


def test_records_are_summed_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    of, held = model("gp"), records(100)
    whole = [of.contribution(r, of.initial(), held) for r in FIRST["gp"].values()]
    monkeypatch.setattr(model_module, "_CHUNK", 7)
    for r, expected in zip(FIRST["gp"].values(), whole, strict=True):
        assert np.array_equal(of.contribution(r, of.initial(), held), expected)


def test_a_feature_that_is_not_held_adds_nothing() -> None:
    of, held = model("gp"), records(40, absent=False)
    feature = catalogue().features[3]
    codes = held.codes.copy()
    codes[:, 3] = feature.n_cells
    lacking = replace(held, codes=codes)
    start = sum(f.n_cells for f in catalogue().features[:3])
    own = slice(start, start + feature.n_cells)
    mains = FIRST["gp"][Stage.MAINS]
    assert of.contribution(mains, of.initial(), held)[own].any()
    assert not of.contribution(mains, of.initial(), lacking)[own].any()


@pytest.mark.parametrize(
    "bad",
    [
        lambda s: s[:-1],
        lambda s: np.where(np.arange(len(s)) == 5, np.float32(np.nan), s),
        lambda s: np.where(np.arange(len(s)) == 5, np.float32(2 * LIMIT), s),
    ],
)
def test_a_state_that_no_round_could_make_is_refused(bad: object) -> None:
    of = model("gp")
    with pytest.raises(ConfigurationError, match="parameters"):
        of.contribution(2, bad(of.initial()), records(3))


def test_records_of_another_catalogue_or_without_outcome_are_refused() -> None:
    of, held = model("gp"), records(5)
    for stage in (Stage.MAINS, Stage.PAIRS, Stage.CALIBRATION):
        r = FIRST["gp"][stage]
        with pytest.raises(RecordsError, match="target"):
            of.contribution(r, of.initial(), replace(held, target=None))
    with pytest.raises(RecordsError, match="codes"):
        of.contribution(1, of.initial(), replace(held, codes=held.codes[:, 1:]))
    with pytest.raises(RecordsError, match="pair_codes"):
        of.contribution(FIRST["gp"][Stage.PAIRS], of.initial(), Encoded(held.codes, held.target))
    wrong = replace(held, pair_codes=np.full_like(held.pair_codes, 200))
    with pytest.raises(RecordsError, match="a code above"):
        of.contribution(FIRST["gp"][Stage.PAIRS], of.initial(), wrong)


@pytest.mark.parametrize(
    "total",
    [
        lambda width: np.zeros(width + 1, dtype=np.int64),
        lambda width: np.zeros(width),
        lambda width: np.full(width, MOST + 1),
        lambda width: np.full(width, np.iinfo(np.int64).min),
    ],
)
def test_a_sum_that_is_none_is_refused(total: object) -> None:
    of: SumModel = model("gp")
    with pytest.raises(ConfigurationError, match="total"):
        of.advance(2, of.initial(), total(of.width(2)))
    with pytest.raises(ConfigurationError, match="round"):
        of.width(0)
