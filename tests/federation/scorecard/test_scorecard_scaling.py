from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.scorecard import BANDS, Band, Scaling

SCALINGS = st.builds(
    Scaling,
    base_score=st.floats(350, 950),
    base_odds=st.floats(0.1, 100),
    pdo=st.floats(5, 200),
)
LOGITS = st.lists(st.floats(-20, 20), min_size=2, max_size=30)


@given(SCALINGS, st.floats(0.01, 1e4))
def test_doubling_the_odds_adds_pdo_points(scaling: Scaling, odds: float) -> None:
    assert scaling.points(2 * odds) - scaling.points(odds) == pytest.approx(scaling.pdo)
    assert scaling.points(scaling.base_odds) == pytest.approx(scaling.base_score)


@given(SCALINGS, LOGITS)
def test_score_falls_as_log_odds_of_bad_rise_and_is_clamped(scaling: Scaling, logits: list[float]) -> None:
    rising = np.sort(np.array(logits))
    points = scaling.from_logits(rising)
    assert (np.diff(points) <= 0).all()
    clamped = scaling.clamp(points)
    assert (np.diff(clamped) <= 0).all()
    assert clamped.min() >= scaling.minimum
    assert clamped.max() <= scaling.maximum
    inside = (points > scaling.minimum) & (points < scaling.maximum)
    assert np.array_equal(clamped[inside], points[inside])
    assert scaling.to_logits(points) == pytest.approx(rising, abs=1e-9)


@given(st.floats(350, 950))
def test_bands_partition_the_scale(score: float) -> None:
    scaling = Scaling()
    holding = [band for band in BANDS if band.low <= score < band.high or (score == 950 and band is BANDS[-1])]
    assert holding == [scaling.band_of(score)]


def test_band_edges_belong_to_the_higher_band_and_nan_to_none() -> None:
    index = Scaling().band_index(np.array([350, 549.99, 550, 600, 650, 700, 950, math.nan]))
    assert index.tolist() == [0, 0, 1, 2, 3, 4, 4, -1]
    assert [band.name for band in BANDS] == ["poor", "fair", "good", "very good", "excellent"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"pdo": 0.0}, "scaling.pdo"),
        ({"base_odds": -1.0}, "scaling.base_odds"),
        ({"base_odds": math.inf}, "scaling.base_odds"),
        ({"base_score": 100.0}, "scaling.base_score"),
        ({"minimum_known": 1.5}, "scaling.minimum_known"),
        ({"bands": ()}, "scaling.bands"),
        ({"bands": (Band("a", 350, 600), Band("b", 610, 950))}, "scaling.bands"),
        ({"maximum": 900.0}, "scaling.bands"),
    ],
)
def test_a_scaling_that_cannot_hold_is_refused(change: dict[str, object], where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Scaling(**change)  # type: ignore[arg-type]
    assert caught.value.where == where


def test_an_empty_band_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="low < high"):
        Band("none", 600, 600)


@given(SCALINGS)
def test_json_round_trip(scaling: Scaling) -> None:
    assert Scaling.from_json(scaling.to_json()) == scaling


@pytest.mark.parametrize(
    "value", [{"odds": "bad:good"}, {"pdoo": 40}, {"pdo": "forty"}, {"bands": [{"name": "a"}]}, {"bands": [1]}]
)
def test_json_that_is_no_scaling_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Scaling.from_json(value)
