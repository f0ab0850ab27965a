"""A member's record about one subject, rounded where it is made; and the sum of such records that a ticket opens.

    evidence, parts = contributions(scorer, records)      # the institution's own, at full precision
    values = quantise(evidence, parts)                    # int32 [n, 8], for `protocols.lookup.table`
    known = JointSum.read(opened, members=3)              # what the querier has after taking off the pads

Eight coefficients mod t: check (0), count (1), evidence, five parts. Evidence is the log-odds of BAD that a subject's
cells add to the public prior; the parts are its split by dimension. All six are rounded to eighths of log-odds AT
SOURCE: whatever the protocol, one member's exact values would give its records back (docs/joint-score.md has figures).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue, Dimension
from federation.errors import RecordsError
from protocols.errors import MessageError
from protocols.lookup.parameters import CHECK, COEFFICIENTS, COUNT, EVIDENCE, LIMIT, MODULUS

if TYPE_CHECKING:
    from federation.records.encoded import Encoded
    from federation.scorecard import Scorer

STEPS = 8
"""Steps in one unit of log-odds: a record says nothing finer than 1/8."""
CLIP = 16.0
"""Evidence and parts are clipped here, in log-odds: odds of nine million to one, and more than the scale can show."""
LARGEST = int(CLIP * STEPS)
"""The largest coefficient, 128 steps."""
MAX_MEMBERS = LIMIT // LARGEST
"""4,032 members: J * 128 stays below t / 2, so that no sum wraps around and every sum has one reading."""
DIMENSIONS = tuple(Dimension)
_PARTS = slice(EVIDENCE + 1, COEFFICIENTS)


def prior(catalogue: Catalogue) -> float:
    """Log-odds of BAD of a subject about whom nothing is known: the catalogue's public base rate."""
    return math.log(catalogue.base_rate / (1 - catalogue.base_rate))


def contributions(scorer: Scorer, records: Encoded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evidence float64 [n] and parts float64 [n, 5], in log-odds of BAD, at full precision; a thin file's are zero.

    Parts sum to the evidence; they are zero for a model that is not additive, which has no exact parts. Raises
    RecordsError where codes do not belong to the catalogue.
    """
    scores, factor = scorer.score(records), scorer.scaling.factor
    evidence = scorer.scaling.to_logits(scores.unclamped) - prior(scorer.catalogue)
    parts = np.zeros((len(records), len(DIMENSIONS)))
    if scorer.card is not None and scores.parts is not None:
        parts = (scorer.card.base - scores.parts) / factor
    return np.nan_to_num(evidence), np.nan_to_num(parts)


def quantise(evidence: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.int32]:
    """Records int32 [n, 8] in steps of 1/8 log-odds, clipped to 16: evidence float64 [n], parts float64 [n, 5].

    Half a step is rounded to even. Raises RecordsError for another shape or a number that is not finite.
    """
    if evidence.ndim != 1 or parts.shape != (len(evidence), len(DIMENSIONS)):
        got = f"shapes {evidence.shape} and {parts.shape}"
        raise RecordsError("contributions", got=got, expected=f"[n] and [n, {len(DIMENSIONS)}]")
    if not (np.isfinite(evidence).all() and np.isfinite(parts).all()):
        raise RecordsError("contributions", got="a number that is not finite", expected="log-odds")
    values = np.zeros((len(evidence), COEFFICIENTS), dtype=np.int32)
    values[:, COUNT] = 1
    values[:, EVIDENCE] = _steps(evidence)
    values[:, _PARTS] = _steps(parts)
    return values


def _steps(log_odds: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(np.clip(log_odds, -CLIP, CLIP) * STEPS).astype(np.int32)


@dataclass(frozen=True)
class Contribution:
    """What one institution itself knows of one subject, at full precision, in log-odds. Never in a repr."""

    evidence: float = field(repr=False)
    parts: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.parts) != len(DIMENSIONS) or not all(map(math.isfinite, (self.evidence, *self.parts))):
            raise RecordsError("contribution", got="other numbers", expected=f"evidence and {len(DIMENSIONS)} parts")


@dataclass(frozen=True)
class JointSum:
    """What members know of one subject together: how many they are, evidence and parts summed, in log-odds.

    Raises MessageError for a count below 0, for numbers beyond what `count` members can have said, and for anything
    said by nobody.
    """

    count: int
    evidence: float = field(repr=False)
    parts: tuple[float, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if self.count < 0 or len(self.parts) != len(DIMENSIONS):
            raise MessageError("joint sum", got=f"count {self.count}", expected=f"0 or more, {len(DIMENSIONS)} parts")
        if not all(abs(value) <= self.count * CLIP for value in (self.evidence, *self.parts)):  # NaN is refused too
            raise MessageError("joint sum", got="a larger sum", expected=f"at most {CLIP:g} for each member")

    @classmethod
    def read(cls, opened: NDArray[np.uint32], members: int) -> JointSum:
        """The sum in the eight coefficients mod t that a ticket opened, under a roster of J = `members`.

        Raises MessageError unless check is 0, the count is at most J and every sum is one that J members can make:
        then a table did not hold what its member signed, or the wrong pads were taken off.
        """
        if opened.shape != (COEFFICIENTS,) or int(opened.max()) >= MODULUS or not 0 < members <= MAX_MEMBERS:
            raise MessageError("opened record", got=f"shape {opened.shape}", expected=f"{COEFFICIENTS} integers mod t")
        signed = [int(value) - MODULUS * (int(value) > LIMIT) for value in opened]
        if signed[CHECK] != 0 or not 0 <= signed[COUNT] <= members:
            got = "a check that fails" if signed[CHECK] else f"count {signed[COUNT]}"
            raise MessageError("opened record", got=got, expected=f"check 0, count 0 to {members}")
        return cls(signed[COUNT], signed[EVIDENCE] / STEPS, tuple(value / STEPS for value in signed[_PARTS]))

    def with_own(self, published: NDArray[np.int32] | None, live: Contribution | None) -> JointSum:
        """This sum with the querier's own record as it is now in place of the one it `published` in this epoch.

        published  its record int32 [8] in the epoch's snapshot, None where the subject was not its customer
        live       its record of today, None where it has none

        Raises MessageError where the sum cannot have held the published record.
        """
        gone = np.zeros(COEFFICIENTS, dtype=np.int64) if published is None else published.astype(np.int64)
        evidence, parts = self.evidence - gone[EVIDENCE] / STEPS, np.array(self.parts) - gone[_PARTS] / STEPS
        others = JointSum(self.count - int(gone[COUNT]), float(evidence), tuple(map(float, parts)))
        if live is None:
            return others
        own = np.clip((live.evidence, *live.parts), -CLIP, CLIP)
        together = np.array((others.evidence, *others.parts)) + own
        return JointSum(others.count + 1, float(together[0]), tuple(map(float, together[1:])))

    @property
    def says_nothing(self) -> bool:
        """Members know the subject, and none of them knows enough to say anything."""
        return self.count > 0 and not any((self.evidence, *self.parts))
