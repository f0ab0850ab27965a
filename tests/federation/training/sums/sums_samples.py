"""Random records, plans and whole runs for the tests of recipes of sums."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue, load_catalogue
from federation.privacy import PrivacyPlan, SeededNoise, SharedNoise
from federation.records.encoded import Encoded
from federation.training.sums import Method, SumModel, SumRecipe, sum_model

METHODS: tuple[Method, ...] = ("gp", "g", "a")
NOMINAL = (4_000, 3_000, 3_000)


@cache
def catalogue(name: str = "taiwan") -> Catalogue:
    return load_catalogue(name)


@cache
def privacy(method: Method, members: int | None = None, droppers: int = 0) -> PrivacyPlan:
    """At epsilon 1; noise shared by `members`, local for None."""
    sharing = None if members is None else SharedNoise(members=members, droppers=droppers)
    return SumRecipe.of(method).calibrate(epsilon=1.0, delta=1e-5, sharing=sharing)


@cache
def model(method: Method, name: str = "taiwan") -> SumModel:
    return sum_model(catalogue(name), SumRecipe.of(method), privacy(method), NOMINAL)


def records(count: int, seed: int = 1, name: str = "taiwan", *, absent: bool = True) -> Encoded:
    """Codes at random, 'not held' among them in every fifth column."""
    rng, standard = np.random.default_rng(seed), catalogue(name)

    def draw(features: Sequence[object]) -> NDArray[np.uint8]:
        columns = [rng.integers(0, f.n_cells + (absent and at % 5 == 0), count) for at, f in enumerate(features)]
        return np.stack(columns, axis=1).astype(np.uint8) if columns else np.zeros((count, 0), np.uint8)

    codes, pairs = draw(standard.features), draw(standard.pair_features)
    return Encoded(codes, rng.integers(0, 2, count).astype(np.uint8), pair_codes=pairs)


def state(of: SumModel, seed: int, spread: float = 0.5) -> NDArray[np.float32]:
    """A state that nobody has trained."""
    return of.initial() + np.random.default_rng(seed).normal(0, spread, of.size).astype(np.float32)


def run(
    of: SumModel, plan: PrivacyPlan, members: Sequence[Encoded], seed: int, adding: int | None = None
) -> list[NDArray[np.float32]]:
    """The state after every round, `adding` members (all, for None) adding the share of noise that the plan says."""
    noise, states = SeededNoise(seed), [of.initial()]
    for r in range(1, len(of.rounds) + 1):
        total = np.zeros(of.width(r), dtype=np.int64)
        for own in members:
            total += of.contribution(r, states[-1], own)
        for _ in range(len(members) if adding is None else adding):
            total += noise.discrete_gaussian(of.width(r), plan.noise_share(r) * of.sensitivity(r))
        states.append(of.advance(r, states[-1], total))
    return states
