"""A model, its owner and a lender, with randomness that a seed repeats."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from protocols.blind import BlindClient, BlindModel, BlindScorer, MemoryCount, Quota, Scores
from protocols.blind.ring import Random

SALT = bytes(range(16))


def source(seed: int) -> Random:
    return np.random.default_rng(seed).bytes


def drawn_model(features: int, parts: int, *, seed: int = 0, flood: int = 0, bound: int = 1) -> BlindModel:
    weights = np.random.default_rng(seed).normal(size=features) * min(0.3, 60 / features)
    part_of = tuple(index % parts for index in range(features))
    return BlindModel(tuple(weights.tolist()), part_of, SALT, intercept=-1.5, flood=flood, bound=bound)


def owner(model: BlindModel, quota: Quota | None = None, seed: int = 1) -> BlindScorer:
    return BlindScorer(model, quota or Quota.extractable(2**40), MemoryCount(), source(seed))


def scored(model: BlindModel, features: ArrayLike, scorer: BlindScorer | None = None, seed: int = 2) -> Scores:
    pending, request = BlindClient(model.terms(), source(seed)).ask(features)
    return pending.open((scorer or owner(model)).answer("lender-a", request))


def plain_parts(model: BlindModel, features: ArrayLike) -> np.ndarray:
    """float64[applicants, parts]: what the encrypted way must give."""
    members = np.eye(model.terms().parts)[list(model.part_of)]
    return np.asarray(features, dtype=float) @ (np.array(model.weights)[:, None] * members)
