"""The budget of a recipe of sums: stages of full-batch releases, and noise that several members share.

>>> sharing = SharedNoise(members=5, colluders=1, droppers=1)
>>> sharing.threshold, sharing.fewest, sharing.provision
(4, 4, 3)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.errors import PrivacyError
from federation.privacy.accounting import spent
from federation.privacy.calibration import checked_mu
from federation.privacy.event import GaussianEvent
from protocols.errors import MessageError
from protocols.secagg.plan import threshold

# Within these bounds the accountants answer in less than a second and the mechanism's arithmetic is exact to rounding.
MAX_MULTIPLIER = 1e4
_SHARE_BITS = 40  # a member's share of the noise is rounded up to a whole number of 2^-40
_GRID = 1e4  # multipliers are rounded up to 1e-4, so that a plan reads well


class StageBudget(BaseModel):
    """One stage: `rounds` full-batch releases, each with this standard deviation of the noise over the sensitivity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rounds: int = Field(ge=1, le=10_000)
    noise_multiplier: float = Field(gt=0, le=MAX_MULTIPLIER, allow_inf_nan=False)


class SharedNoise(BaseModel):
    """Noise in shares under secure aggregation: K members, of whom some may collude and some drop out.

    members     K, at least 3
    colluders   c >= 1 whose own noise protects nobody from themselves: every member knows its own
    droppers    d whose share may be missing from a round's sum

    Raises PrivacyError unless K - c > d (d + 1): otherwise lists of survivors that differ from member to member would
    open a sum with the noise of fewer than K - c - d honest members (docs/secagg.md).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    members: int = Field(ge=3, le=1000)
    colluders: int = Field(default=1, ge=1)
    droppers: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _enough_remain(self) -> Self:
        try:
            threshold(self.members, self.colluders, self.droppers)
        except MessageError as error:
            raise PrivacyError("privacy.sharing", got=error.got, expected=error.expected) from None
        if self.provision < 1:
            got = f"{self.members} members, {self.colluders} colluders, {self.droppers} droppers"
            raise PrivacyError("privacy.sharing", got=got, expected="one honest member left at least")
        return self

    @property
    def threshold(self) -> int:
        """tau, the fewest that open anything: (d + 1) tau > d K + c keeps a round to one sum of enough members."""
        return threshold(self.members, self.colluders, self.droppers)

    @property
    def fewest(self) -> int:
        """Survivors below which a round is aborted."""
        return self.members - self.droppers

    @property
    def provision(self) -> int:
        """Members whose noise is counted on: K - c - d."""
        return self.members - self.colluders - self.droppers


def share_of(multiplier: float, provision: int) -> Fraction:
    """The least multiple of 2^-40 whose square, `provision` times, is at least the square of `multiplier`.

    A sum of discrete Gaussians is not one, but its probabilities differ from those of one of the summed variance by a
    factor of at most 1 + 5 n exp(-pi^2 sigma^2) (Kairouz, Liu, Steinke, arXiv:2102.06387): nothing, at a
    sigma of 2^20 lattice points.
    """
    needed = Fraction(multiplier) ** 2 * 4**_SHARE_BITS / provision
    steps = math.isqrt(math.ceil(needed) - 1) + 1
    return Fraction(steps, 2**_SHARE_BITS)


def spare_multiplier(stages: Sequence[StageBudget]) -> float:
    """What a spare round is paid as: a round of the stage whose rounds cost most, for any round may be lost."""
    return min(stage.noise_multiplier for stage in stages)


def calibrate_stages(
    epsilon: float,
    delta: float,
    rounds: Sequence[int],
    shares: Sequence[float],
    spare_rounds: int = 0,
    evaluation: float | None = None,
) -> tuple[StageBudget, ...]:
    """Noise multipliers (to 1e-4, rounded up) such that everything costs at most `epsilon` by PLD.

    shares[i] is the part of the Gaussian-DP mu^2 that the rounds[i] releases of stage i take of what `evaluation` (the
    multiplier of one more release) leaves, spare rounds paid as rounds of the costliest stage. Raises PrivacyError.
    """
    if not rounds or len(rounds) != len(shares) or min(shares) <= 0 or abs(math.fsum(shares) - 1) > 1e-9:
        raise PrivacyError("shares", got=list(shares), expected=f"{len(rounds)} positive shares that add up to 1")
    if min(rounds) < 1 or spare_rounds < 0:
        raise PrivacyError("rounds", got=[*rounds, spare_rounds], expected="at least one a stage")
    left = checked_mu(epsilon, delta) ** 2 - (0.0 if evaluation is None else evaluation**-2)
    if left <= 0:
        raise PrivacyError("evaluation_multiplier", got=evaluation, expected="one that leaves budget for training")
    left /= 1 + spare_rounds * max(share / count for count, share in zip(rounds, shares, strict=True))
    exact = [math.sqrt(count / (share * left)) for count, share in zip(rounds, shares, strict=True)]
    slack = 1.0
    while True:
        multipliers = [math.ceil(value * slack * _GRID) / _GRID for value in exact]
        events = [GaussianEvent(1.0, multiplier, count) for multiplier, count in zip(multipliers, rounds, strict=True)]
        if spare_rounds:
            events.append(GaussianEvent(1.0, min(multipliers), spare_rounds))
        if evaluation is not None:
            events.append(GaussianEvent(1.0, evaluation, 1))
        if spent(events, delta) <= epsilon:
            return tuple(
                StageBudget(rounds=count, noise_multiplier=multiplier)
                for multiplier, count in zip(multipliers, rounds, strict=True)
            )
        slack += 2e-5
