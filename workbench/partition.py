"""One owner's records dealt out to make-believe institutions: a holdout, and an even or a skewed split.

`skewed` differs in three ways at once, as real members do: in size (shares fall geometrically, none above 40%, so that
a delta of 1e-5 stays below 1 / (10 x nominal) up to 25,000 records), in default rate (each institution draws bads with
other odds) and in mix (each leans towards another end of a random direction of the features).

>>> nominal_sizes(10_000, 5, "even")
(2000, 2000, 2000, 2000, 2000)
>>> nominal_sizes(10_000, 5, "skewed")
(3472, 2500, 1800, 1296, 933)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from federation.errors import ConfigurationError
from federation.records.encoded import Encoded

Split = Literal["even", "skewed"]

LARGEST_SHARE = 0.40
_FALL = 0.72  # each institution is this much of the one before it
_FLOOR = 0.35  # and none is below this share of an even split
_DEFAULT_TILT = 0.8  # log-odds of drawing a bad record, first to last institution, are spread over +- this
_MIX_TILT = 0.8  # the same for one standard deviation along an institution's direction of the features

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Parts:
    """Which record each institution holds (positions into the training records) and the public nominal size of each."""

    members: tuple[Indices, ...]
    nominal: tuple[int, ...]


def nominal_sizes(records: int, institutions: int, split: Split) -> tuple[int, ...]:
    """The public, planned number of records of each institution: fixed before any record is dealt.

    Raises ConfigurationError where the split is unknown, an institution would be empty, or a skewed split could not
    keep its largest share at 40% (fewer than three institutions).
    """
    if split not in get_args(Split):
        raise ConfigurationError("split", got=split, expected=" or ".join(get_args(Split)))
    if not 1 <= institutions <= records:
        raise ConfigurationError("institutions", got=institutions, expected=f"1 to {records} (the records)")
    shares = _shares(institutions, split)
    return tuple(round(share * records) for share in shares)


def _shares(institutions: int, split: Split) -> NDArray[np.float64]:
    if split == "even":
        return np.full(institutions, 1 / institutions)
    if institutions < 3:
        raise ConfigurationError("institutions", got=institutions, expected="at least 3 for a skewed split")
    shares = _FALL ** np.arange(institutions)
    shares = np.maximum(shares / shares.sum(), _FLOOR / institutions)
    shares = shares / shares.sum()
    if shares[0] > LARGEST_SHARE:  # three institutions: pull towards even until the cap holds
        pull = (shares[0] - LARGEST_SHARE) / (shares[0] - 1 / institutions)
        shares = shares + pull * (1 / institutions - shares)
    return np.asarray(shares)


def holdout(target: NDArray[np.uint8], fraction: float, seed: int) -> tuple[Indices, Indices]:
    """(train, test) positions in rising order, stratified by outcome: scikit-learn's split of that seed."""
    positions = np.arange(len(target), dtype=np.int64)
    train, test = train_test_split(positions, test_size=fraction, random_state=seed, stratify=target)
    return np.sort(train), np.sort(test)


def partition(records: Encoded, institutions: int, split: Split, rng: np.random.Generator) -> Parts:
    """Deal every training record to exactly one institution. Raises ConfigurationError as `nominal_sizes`."""
    nominal = nominal_sizes(len(records), institutions, split)
    if split == "even":
        shuffled = rng.permutation(len(records))
        return Parts(tuple(np.sort(part) for part in np.array_split(shuffled, institutions)), nominal)
    affinity = _affinity(records, institutions, rng) + rng.gumbel(size=(len(records), institutions))
    owner = _fill(affinity, np.array(nominal, dtype=np.float64))
    return Parts(tuple(np.flatnonzero(owner == k) for k in range(institutions)), nominal)


def _affinity(records: Encoded, institutions: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How much each record leans to each institution, float64 [n, K], before sizes are imposed."""
    if records.target is None:
        raise ConfigurationError("records.target", got="no target", expected="an outcome for each record")
    codes = records.codes.astype(np.float64)
    spread = codes.std(axis=0)
    scaled = (codes - codes.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    directions = rng.normal(size=(codes.shape[1], institutions))
    mix = scaled @ directions
    mix = (mix - mix.mean(axis=0)) / np.maximum(mix.std(axis=0), 1e-9)
    tilt = rng.permutation(np.linspace(-_DEFAULT_TILT, _DEFAULT_TILT, institutions))
    return np.asarray(_MIX_TILT * mix + tilt * records.target[:, None].astype(np.float64))


def _fill(affinity: NDArray[np.float64], sizes: NDArray[np.float64], sweeps: int = 60) -> NDArray[np.int64]:
    """Each record's preferred institution, institutions being raised or lowered until sizes are nearly as planned."""
    offset = np.log(sizes / sizes.sum())
    for _ in range(sweeps):
        owner = np.argmax(affinity + offset, axis=1)
        held = np.bincount(owner, minlength=len(sizes))
        offset = offset + 0.5 * np.log(sizes / np.maximum(held, 1))
    return np.asarray(np.argmax(affinity + offset, axis=1), dtype=np.int64)
