"""The influence index: how much each feature and each dimension may move a score, the largest being 100.

    multiplier of a feature = share of the feature x weight of its dimension / number of features of the dimension

The weight is the catalogue's published dimension weight (policy, not measurement). A feature's share says how much of
its possible influence it uses: the spread of its points over the subjects, relative to the feature that spreads most.

>>> shares = [0.075, 0.878, 1.0, 0.1461]
>>> index = influence_index(shares, ["a", "a", "b", "b"], {"a": 5, "b": 15})
>>> [round(value, 1) for value in index.features]
[2.5, 29.3, 100.0, 14.6]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError


@dataclass(frozen=True)
class Influence:
    """In the order of the features given.

    shares       of each feature, 0 to 1
    multipliers  share x weight / number of features of the dimension
    features     multipliers scaled so that the largest is 100
    dimensions   sums of multipliers per dimension, scaled so that the largest is 100
    """

    shares: tuple[float, ...]
    multipliers: tuple[float, ...]
    features: tuple[float, ...]
    dimensions: dict[str, float]

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        rows = zip(names, self.shares, self.multipliers, self.features, strict=True)
        return {
            "features": [
                {"feature": name, "share": share, "multiplier": multiplier, "index": index}
                for name, share, multiplier, index in rows
            ],
            "dimensions": dict(self.dimensions),
        }


def influence_index(shares: Sequence[float], dimensions: Sequence[str], weights: Mapping[str, float]) -> Influence:
    """The index from feature `shares`, each feature's dimension, and dimension weights in any unit (shares, percent).

    Raises ConfigurationError for lengths that differ, a dimension without weight, or negative values.
    """
    if len(shares) != len(dimensions):
        raise ConfigurationError("influence.shares", got=len(shares), expected=f"one per feature, {len(dimensions)}")
    unknown = sorted(set(dimensions) - set(weights))
    if unknown:
        raise ConfigurationError("influence.weights", got=f"none for {unknown}", expected="one per dimension")
    if min([*shares, *weights.values()], default=0.0) < 0:
        raise ConfigurationError("influence", got="a negative share or weight", expected="numbers >= 0")
    total = sum(weights.values())
    sizes = Counter(dimensions)
    pairs = zip(shares, dimensions, strict=True)
    multipliers = [share * weights[name] / total / sizes[name] if total else 0.0 for share, name in pairs]
    sums = {name: sum(m for m, d in zip(multipliers, dimensions, strict=True) if d == name) for name in sizes}
    indexed = _to_hundred(list(sums.values()))
    return Influence(
        tuple(shares), tuple(multipliers), tuple(_to_hundred(multipliers)), dict(zip(sums, indexed, strict=True))
    )


def feature_shares(
    effects: Sequence[NDArray[np.float64]], cell_shares: Sequence[NDArray[np.float64]]
) -> tuple[float, ...]:
    """Standard deviation of each feature's effect over the subjects, relative to the largest; 0 to 1.

    effects, cell_shares  float64 [n_cells] per feature; the scale of effects (log-odds or points) cancels
    """
    spreads = [_spread(effect, share) for effect, share in zip(effects, cell_shares, strict=True)]
    return tuple(value / 100 for value in _to_hundred(spreads))


def _spread(effect: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    average = float(effect @ share)
    return float(np.sqrt(((effect - average) ** 2) @ share))


def _to_hundred(values: Sequence[float]) -> list[float]:
    largest = max(values, default=0.0)
    return [100 * value / largest if largest > 0 else 0.0 for value in values]
