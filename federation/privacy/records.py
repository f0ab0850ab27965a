"""Whether a federation has enough records for the budget it asks: public nominal sizes only, never realised counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from federation.errors import PrivacyError, TooFewRecords
from federation.privacy.accounting import gaussian_epsilon, gaussian_mu
from federation.privacy.calibration import checked_mu
from federation.privacy.stages import SharedNoise

_RELEASES = 30  # gradient releases of the schedule that the noise level refers to
_CLIP = 0.5
_USABLE = (5, 2_000)  # institutions, records each: what epsilon 1 at delta 1e-5 was measured to need


def noise_level(
    epsilon: float, delta: float, nominal_records: Sequence[int], sharing: SharedNoise | None = None
) -> float:
    """Noise of 30 clipped full-batch gradient sums, per record: .5 sqrt(30 K) / (mu N) where noise is local.

    The one public figure that says how hard a federation's training is: K institutions, N records in all. Under shared
    noise K / (K - c - d) stands for K.

    >>> round(noise_level(1.0, 1e-5, [4_800] * 5), 5)
    0.00095
    """
    if not nominal_records or min(nominal_records) < 1:
        raise PrivacyError("nominal_records", got=list(nominal_records), expected="at least one institution, 1 or more")
    total, whole = sum(nominal_records), len(nominal_records) / (sharing.provision if sharing else 1)
    return _CLIP * math.sqrt(_RELEASES * whole) / (checked_mu(epsilon, delta) * total)


@cache
def _limit() -> float:
    return noise_level(1.0, 1e-5, [_USABLE[1]] * _USABLE[0])


def check_enough_records(
    epsilon: float,
    delta: float,
    nominal_records: Sequence[int],
    *,
    sharing: SharedNoise | None = None,
    force: bool = False,
) -> None:
    """Refuse a budget that leaves a model of noise. Raises TooFewRecords with the figures, unless `force`.

    The limit is that of 5 institutions with 2,000 records each at epsilon 1; it moves with mu(epsilon, delta), and
    with the square root of the number of institutions because each adds its own noise, unless noise is shared.
    """
    level = noise_level(epsilon, delta, nominal_records, sharing)
    if level <= _limit() or force:
        return
    count, total = len(nominal_records), sum(nominal_records)
    needed = math.ceil(total * level / _limit())
    raise TooFewRecords(
        "nominal_records",
        got=f"{total} records in {count} institutions at epsilon {epsilon:g}, delta {delta:g} "
        f"(noise level {level:.4f})",
        expected=f"at least {needed} records ({math.ceil(needed / count)} an institution), "
        f"or epsilon {_epsilon_for(level, epsilon, delta)} (noise level at most {_limit():.4f}), "
        "or --force for a model of noise",
    )


def check_delta(delta: float, nominal_records: Sequence[int]) -> None:
    """Raises PrivacyError if `delta` exceeds 1 / (10 x the largest nominal size): it could publish someone outright."""
    largest = max(nominal_records)
    if delta * 10 * largest > 1 + 1e-9:
        raise PrivacyError("delta", got=delta, expected=f"at most {1 / (10 * largest):.3g} for {largest} records")


def _epsilon_for(level: float, epsilon: float, delta: float) -> str:
    """The epsilon, rounded up to .1, whose noise level would be bearable."""
    bearable = gaussian_epsilon(gaussian_mu(epsilon, delta) * level / _limit(), delta)
    return "above 100" if bearable > 100 else f"{math.ceil(10 * bearable) / 10:g}"
