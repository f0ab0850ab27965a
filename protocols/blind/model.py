"""A private linear model in fixed point: what a score is made of, and whether it fits the ring."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from protocols.blind.messages import FLOOD_BITS, LARGEST, UNITS, Terms
from protocols.blind.steps import bits_of, step_of
from protocols.canonical import JSON, canonical, digest
from protocols.errors import MessageError
from protocols.lookup.fields import integer

MODEL_LABEL = "fedscore/v1/blind/model"
COUNT_LABEL = "fedscore/v1/blind/weights"
PARTS_LABEL = "fedscore/v1/blind/parts"
SALT_BYTES = 16


@dataclass(frozen=True)
class BlindModel:
    """evidence = intercept + sum of parts; part k = sum of weights[f] * x[f] over features with part_of[f] = k.

    weights    log-odds for each unit of a feature; secret, and left out of the repr
    part_of    the part, 0 and up, every one of which has a feature
    salt       16 secret random bytes or more, kept with the weights: without them the model's name confirms guesses
    intercept  log-odds; published with the terms, since an application of zeros tells it
    bound      largest |x| of an encoded feature: 1 for indicators of bins
    flood      bits of a value drowned in noise: an answer is off by at most 2^(flood - 21) and tells 28 - flood bits
    own        of each part, how many of its weights stand in no other part; None: all. A weight that stands in two
               parts is in two equations an answer, so that only a part's own count as unknown
    named_by   so many weights, from the first, name the model where answers are counted: those that stand there
               whatever the parts are; None: all

    Raises MessageError naming the number that does not fit.
    """

    weights: tuple[float, ...] = field(repr=False)
    part_of: tuple[int, ...]
    salt: bytes = field(repr=False)
    intercept: float = 0.0
    bound: int = 1
    flood: int = FLOOD_BITS
    own: tuple[int, ...] | None = None
    named_by: int | None = None

    def __post_init__(self) -> None:
        if len(self.salt) < SALT_BYTES:
            raise MessageError("salt", got=f"{len(self.salt)} bytes", expected=f"at least {SALT_BYTES}")
        if not self.weights or len(self.part_of) != len(self.weights):
            raise MessageError("part_of", got=len(self.part_of), expected=f"{len(self.weights)} features, at least 1")
        if set(self.part_of) != set(range(max(self.part_of) + 1)):
            raise MessageError("part_of", got=sorted(set(self.part_of)), expected="every part from 0 on")
        sizes = np.bincount(self.part_of)
        if self.own is not None and (
            len(self.own) != len(sizes) or not all(0 <= n <= m for n, m in zip(self.own, sizes, strict=True))
        ):
            raise MessageError("own", got=self.own, expected=f"at most {sizes.tolist()}")
        if self.named_by is not None:
            integer(self.named_by, "named_by", 1, len(self.weights))
        if not all(math.isfinite(weight) for weight in self.weights):
            raise MessageError("weights", got="a weight that is no number", expected="finite log-odds")
        if not math.isfinite(self.intercept):
            raise MessageError("terms.intercept", got=self.intercept, expected="finite log-odds")
        terms = self.terms()
        reach = np.zeros(terms.parts)
        np.add.at(reach, list(self.part_of), np.abs(self.units) * float(self.bound))
        if reach.max() + 2 ** (self.flood - 1) + 1 >= LARGEST:  # otherwise a part wraps around and reads as another
            raise MessageError("weights", got="a part beyond 128 log-odds", expected="less, or a smaller bound")

    @property
    def units(self) -> NDArray[np.int64]:
        """int64[features]: the weights in units of 2^-20 log-odds."""
        scaled = np.rint(np.array(self.weights) * UNITS)
        if np.abs(scaled).max() >= LARGEST:
            raise MessageError("weights", got="a weight beyond 128 log-odds", expected="less")
        return np.asarray(scaled, dtype=np.int64)

    @property
    def smallest_part(self) -> int:
        """Own weights of the part that has the fewest."""
        return min(self._own)

    @cached_property
    def solved_by(self) -> int:
        """So many answers may solve for the weights of a part: one for each of its own weights, or fewer where all that
        can be told apart in them fits into fewer values (`steps`).
        """
        units, parts, bits = self.units, np.array(self.part_of), self.terms().bits
        step = step_of(units)
        needed = (own * bits_of(units[parts == part], step) / bits for part, own in enumerate(self._own))
        return min(min(own, math.ceil(told)) for own, told in zip(self._own, needed, strict=True))

    @property
    def _own(self) -> tuple[int, ...]:
        return tuple(np.bincount(self.part_of).tolist()) if self.own is None else self.own

    def terms(self) -> Terms:
        """What a requester needs to know."""
        return Terms(
            self.identity(), len(self.weights), max(self.part_of) + 1, float(self.intercept), self.bound, self.flood
        )

    def counted_as(self) -> bytes:
        """32 bytes under which answers are counted: the weights alone, so that a model made anew of the same weights,
        with another salt, intercept or other parts, has no new quota. Kept by the owner: it confirms guesses.
        """
        return digest(COUNT_LABEL, canonical(self.units[: self.named_by].tolist()))

    def divided_as(self) -> bytes:
        """32 bytes that name the parts: answers in other parts are other equations in the same weights."""
        return digest(PARTS_LABEL, canonical([list(self.part_of), list(self._own)]))

    def identity(self) -> bytes:
        """32 bytes that name the model; whoever lacks the salt cannot hold guesses of the weights against them."""
        fields: dict[str, JSON] = {
            "weights": list(self.weights),
            "part_of": list(self.part_of),
            "intercept": float(self.intercept),
        }
        return digest(MODEL_LABEL, canonical({**fields, "bound": self.bound, "salt": self.salt.hex()}))
