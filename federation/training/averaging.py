"""Pure helpers of a round driver: size-weighted means of updates, the mean of the last rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError


def weighted_mean(
    updates: Mapping[str, NDArray[np.float32]], nominal_records: Mapping[str, int]
) -> NDArray[np.float32]:
    """Mean of the members' updates, weighted by PUBLIC nominal sizes; members that did not answer count for nothing.

    float64 inside, in the order of the members' names, so every machine gets the same bytes. Raises ConfigurationError
    without updates or where a member's nominal size is not known.

    >>> weighted_mean({"a": np.float32([1.0]), "b": np.float32([5.0])}, {"a": 300, "b": 100, "c": 50}).item()
    2.0
    """
    if not updates or not updates.keys() <= nominal_records.keys():
        raise ConfigurationError("updates", got=sorted(updates), expected=f"some of {sorted(nominal_records)}")
    names = sorted(updates)
    total = sum(nominal_records[name] for name in names)
    mean = np.zeros(len(updates[names[0]]))
    for name in names:
        mean += updates[name].astype(np.float64) * (nominal_records[name] / total)
    return mean.astype(np.float32)


def mean_of_last(models: Sequence[NDArray[np.float32]], average_last: int) -> NDArray[np.float32]:
    """Mean of the last `average_last` models (fewer where there are fewer). Raises ConfigurationError without models.

    >>> mean_of_last([np.float32([9.0]), np.float32([1.0]), np.float32([2.0])], 2).item()
    1.5
    """
    if not models or average_last < 1:
        raise ConfigurationError("models", got=len(models), expected="at least one, and average_last at least 1")
    mean: NDArray[np.float64] = np.mean(np.asarray(models[-average_last:], dtype=np.float64), axis=0)
    return mean.astype(np.float32)
