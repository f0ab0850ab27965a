"""The requester's side: a fresh secret for each request, opened once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.blind.messages import SCALE_BITS, UNITS, Answer, Request, Terms
from protocols.blind.ring import DEGREE, SEED_BYTES, Polynomial, Random, noise, ternary, times, uniform
from protocols.errors import MessageError, StageError

STEPS = 8
"""Evidence is shown to 1/8 of log-odds, as the joint score."""


@dataclass(frozen=True)
class Scores:
    """`parts`: float64[applicants, parts], log-odds of BAD; `intercept`, too."""

    parts: NDArray[np.float64]
    intercept: float

    @property
    def unrounded(self) -> NDArray[np.float64]:
        """float64[applicants]: intercept and parts; off by up to parts * 2^(flood - 21) + 2^-21 a feature."""
        return np.asarray(self.intercept + self.parts.sum(axis=1), dtype=np.float64)

    @property
    def evidence(self) -> NDArray[np.float64]:
        """`unrounded`, to the nearest 1/8."""
        return np.asarray(np.rint(self.unrounded * STEPS) / STEPS, dtype=np.float64)


class BlindClient:
    """Requests under published terms; `random` gives secret bytes."""

    def __init__(self, terms: Terms, random: Random) -> None:
        self._terms, self._random = terms, random

    def ask(self, features: ArrayLike) -> tuple[BlindPending, bytes]:
        """A request about integers[applicants, features]. Raises MessageError for another shape or beyond the bound."""
        encoded = self._checked(features)
        secret, seed = ternary(self._random), self._random(SEED_BYTES)
        groups = self._columns(encoded)
        c0 = [self._encrypted(secret, seed, index + 1, column) for index, column in enumerate(groups)]
        mask = self._encrypted(secret, seed, 0, np.zeros(DEGREE, dtype=np.uint64))
        request = Request(len(encoded), seed, mask, np.array(c0))
        return BlindPending(self._terms, len(encoded), secret), request.encode(self._terms)

    def _checked(self, features: ArrayLike) -> NDArray[np.int64]:
        given, terms = np.asarray(features), self._terms
        if given.ndim != 2 or given.shape[1] != terms.features or not 1 <= len(given) <= DEGREE:
            expected = f"(1 to {DEGREE}, {terms.features})"
            raise MessageError("features.shape", got=given.shape, expected=expected)
        if not np.issubdtype(given.dtype, np.integer):
            raise MessageError("features", got=given.dtype, expected="integers, as the catalogue encodes them")
        if (given > terms.bound).any() or (given < -terms.bound).any():
            raise MessageError("features", got="a value out of bounds", expected=f"-{terms.bound} to {terms.bound}")
        return given.astype(np.int64)

    def _columns(self, features: NDArray[np.int64]) -> NDArray[np.uint64]:
        """uint64[groups, N]: feature j of a group, applicant i, at j * applicants + i."""
        count, group = len(features), self._terms.group(len(features))
        groups = self._terms.groups(count)
        padded = np.zeros((groups * group, count), dtype=np.int64)
        padded[: self._terms.features] = features.T
        columns = np.zeros((groups, DEGREE), dtype=np.int64)
        columns[:, : group * count] = padded.reshape(groups, group * count)
        return columns.astype(np.uint64)

    def _encrypted(self, secret: NDArray[np.int8], seed: bytes, index: int, message: Polynomial) -> Polynomial:
        scaled = message << np.uint64(SCALE_BITS)
        return scaled + noise(self._random) - times(uniform(seed, index), secret)


class BlindPending:
    """A request under way; holds its secret key."""

    def __init__(self, terms: Terms, applicants: int, secret: NDArray[np.int8]) -> None:
        self._terms, self._applicants = terms, applicants
        self._secret: NDArray[np.int8] | None = secret

    def open(self, data: bytes) -> Scores:
        """The scores, in the order of the applicants. Whatever an owner sends decrypts to some value.

        Raises MessageError for an answer of another kind, model or size, StageError when opened before. Opened scores
        are not to be sent back to the owner: a chosen answer would make them tell of the secret key.
        """
        if self._secret is None:
            raise StageError("blind.answer", got="a second answer", expected="one answer a request")
        answer = Answer.decode(data, self._terms, self._applicants)
        secret, self._secret = self._secret, None
        masks = np.array([times(c1, secret)[: self._applicants] for c1 in answer.c1])
        phase = masks + answer.values
        values = phase.astype(np.int64).astype(np.float64) / float(UNITS << SCALE_BITS)
        return Scores(np.ascontiguousarray(values.T), self._terms.intercept)
