"""How much noise a budget needs."""

from __future__ import annotations

import math

from federation.errors import PrivacyError
from federation.privacy.accounting import gaussian_mu, pld_epsilon, spent
from federation.privacy.event import GaussianEvent

_GRID = 1e-4  # multipliers are rounded up to it, so that a plan reads well
_SEARCH = 1e-3  # discretisation of the search, in units of epsilon: ten times coarser than the accountant's own


def calibrate_multiplier(
    epsilon: float, delta: float, sampling_rate: float, steps: int, evaluation: float | None = None
) -> float:
    """The least noise multiplier (to 1e-4, rounded up) such that `steps` steps cost at most `epsilon` by PLD.

    `evaluation` is the multiplier of one more full-batch release to pay for. Raises PrivacyError where the budget is
    not one (epsilon, delta out of range) or the evaluation alone uses it up.

    >>> calibrate_multiplier(8.0, 1e-5, 0.2, 100)
    1.4439
    """
    extra = () if evaluation is None else (GaussianEvent(1.0, evaluation, 1),)

    def events(multiplier: float) -> tuple[GaussianEvent, ...]:
        return (GaussianEvent(sampling_rate, multiplier, steps), *extra)

    def enough(ticks: int) -> bool:
        return pld_epsilon(events(ticks * _GRID), delta, interval=_SEARCH * epsilon) <= epsilon

    high = math.ceil(_unamplified(epsilon, delta, steps, evaluation) / _GRID)
    while not enough(high):
        high = math.ceil(1.01 * high)
    low = 1
    while high - low > 1:
        middle = max((low + high) // 2, high * 3 // 4)  # never leap to noise so small that the accountant chokes
        low, high = (low, middle) if enough(middle) else (middle, high)
    while spent(events(high * _GRID), delta) > epsilon:
        high += 1
    return round(high * _GRID, 4)


def evaluation_multiplier(epsilon: float, delta: float, share: float) -> float | None:
    """Noise of one full-batch release of sensitivity 1 that takes `share` of mu^2; None for a share of 0.

    Raises PrivacyError for a share outside [0, 1) or a budget out of range.
    """
    if not 0 <= share < 1:
        raise PrivacyError("evaluation_share", got=share, expected="in [0, 1)")
    return math.ceil(1e4 / (checked_mu(epsilon, delta) * math.sqrt(share))) / 1e4 if share else None


def checked_mu(epsilon: float, delta: float) -> float:
    """`gaussian_mu` of a budget in range. Raises PrivacyError otherwise."""
    if not 0 < epsilon <= 100:
        raise PrivacyError("epsilon", got=epsilon, expected="in (0, 100]")
    if not 1e-15 <= delta < 0.1:
        raise PrivacyError("delta", got=delta, expected="in [1e-15, 0.1)")
    return gaussian_mu(epsilon, delta)


def _unamplified(epsilon: float, delta: float, steps: int, evaluation: float | None) -> float:
    """What `steps` would need if every record took part in each: enough for any sampling rate."""
    left = checked_mu(epsilon, delta) ** 2 - (0.0 if evaluation is None else evaluation**-2)
    if left <= 0:
        raise PrivacyError("evaluation_multiplier", got=evaluation, expected="one that leaves budget for training")
    return math.sqrt(steps / left)
