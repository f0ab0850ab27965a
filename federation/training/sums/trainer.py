"""One institution's part in a round of a recipe of sums: the exact sum over its records, and its noise."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.errors import PrivacyError
from federation.privacy.lattice import FEWEST_POINTS
from federation.privacy.records import check_delta
from federation.training.sums.arithmetic import I64
from federation.training.sums.model import SumModel

if TYPE_CHECKING:
    from federation.privacy import NoiseSource, PrivacyPlan
    from federation.records.encoded import Encoded


class SumTrainer:
    """`noise` is added in full under local noise, and in this member's share under secure aggregation.

    Raises PrivacyError if the plan's delta is too large for `nominal_records`, the institution's public size.
    """

    def __init__(self, model: SumModel, privacy: PrivacyPlan, nominal_records: int, noise: NoiseSource) -> None:
        check_delta(privacy.delta, [nominal_records])
        self.model, self.privacy, self.noise = model, privacy, noise

    def round(self, number: int, state: NDArray[np.float32], records: Encoded) -> I64:
        """int64 [width], in lattice points: what this institution adds to the sum of round `number`, noise included.

        It costs exactly `privacy.round_event(number)`, however many records there are, none included. Raises
        ConfigurationError for a state that is not the recipe's, RecordsError for records without outcome.
        """
        exact = self.model.contribution(number, state, records)
        sigma = self.privacy.noise_share(number) * self.model.sensitivity(number)
        return exact + noise_of(self.noise, exact.size, sigma)


def noise_of(noise: NoiseSource, size: int, sigma: Fraction) -> I64:
    """int64 [size] of discrete Gaussian noise. Raises PrivacyError below 2^20 lattice points (docs/privacy.md)."""
    if sigma < FEWEST_POINTS:
        raise PrivacyError("mechanism.scale", got=float(sigma), expected=f"at least {FEWEST_POINTS} lattice points")
    return noise.discrete_gaussian(size, sigma)
