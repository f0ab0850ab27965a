from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.evaluation.influence import feature_shares, influence_index


def test_a_published_table_is_reproduced() -> None:
    """Weights of 5, 15, 20, 25 and 35 percent; nine features; the third has index 100."""
    weights = {"one": 5, "two": 15, "three": 20, "four": 25, "five": 35}
    dimensions = ["one", "one", "two", "two", "three", "three", "four", "four", "five"]
    shares = [0.075, 0.878, 1.0, 0.1461, 0.17, 0.288, 0.543, 0.596, 0.12]
    found = influence_index(shares, dimensions, weights)
    published = [0.002, 0.022, 0.075, 0.011, 0.017, 0.029, 0.068, 0.0745, 0.042]
    for multiplier, value in zip(found.multipliers, published, strict=True):
        assert round(multiplier, 4 if value == 0.0745 else 3) == value
    assert found.features[2] == 100.0
    assert max(found.features) == 100.0
    assert found.features == pytest.approx([100 * m / 0.075 for m in found.multipliers])
    assert max(found.dimensions, key=lambda name: found.dimensions[name]) == "four"


@given(
    st.lists(st.tuples(st.just(0.0) | st.floats(1e-6, 1), st.sampled_from("abc")), min_size=1, max_size=12),
    st.floats(0.01, 100),
)
def test_the_unit_of_the_weights_does_not_matter(rows: list[tuple[float, str]], unit: float) -> None:
    shares, dimensions = [share for share, _ in rows], [name for _, name in rows]
    weights = {"a": 0.5, "b": 0.3, "c": 0.2}
    first = influence_index(shares, dimensions, weights)
    second = influence_index(shares, dimensions, {name: unit * weight for name, weight in weights.items()})
    assert first.features == pytest.approx(second.features)
    assert max(first.features) in (0.0, pytest.approx(100.0))


def test_features_that_never_move_have_index_zero() -> None:
    found = influence_index([0.0, 0.0], ["a", "a"], {"a": 1.0})
    assert found.features == (0.0, 0.0)
    assert found.dimensions == {"a": 0.0}
    assert influence_index([0.5], ["a"], {"a": 0.0}).multipliers == (0.0,)


@pytest.mark.parametrize(
    ("shares", "weights"),
    [([0.1], {"a": 1.0}), ([0.1, 0.2], {"b": 1.0}), ([0.1, -0.2], {"a": 1.0}), ([0.1, 0.2], {"a": -1.0})],
)
def test_what_has_no_index_is_refused(shares: list[float], weights: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        influence_index(shares, ["a", "a"], weights)


def test_feature_shares_are_spreads_over_the_subjects() -> None:
    effects = [np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.array([5.0, 5.0])]
    half = np.array([0.5, 0.5])
    assert feature_shares(effects, [half, half, half]) == pytest.approx([1.0, 0.5, 0.0])
    assert feature_shares(effects, [np.array([1.0, 0.0]), half, half]) == pytest.approx([0.0, 1.0, 0.0])
