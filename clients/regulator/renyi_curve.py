"""The Renyi divergence of what was released, added up order by order: an exact recomputation that costs microseconds.

Written from the papers, not from the accountant that the institutions use: the Gaussian's divergence of order a is
a / (2 sigma^2) (Mironov, arXiv:1702.07476, proposition 7), the Poisson-subsampled one's at whole orders is a finite sum
(Mironov, Talwar, Zhang, arXiv:1908.10530, section 3.3), divergences of a composition add up, and a divergence converts
to (epsilon, delta) by Canonne, Kamath, Steinke, arXiv:2004.00010, proposition 12.

>>> curve = divergence(1.0, 10.0) * 100
>>> round(epsilon_at(curve, 1e-5, 8), 4), round(best_epsilon(curve, 1e-5), 4)
(5.2145, 4.7285)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.ledger.renyi import ORDERS
from federation.privacy.event import Event

Curve: TypeAlias = NDArray[np.float64]  # one divergence per order of ORDERS
_ORDERS = np.array(ORDERS, dtype=np.float64)
_PLACE = {order: place for place, order in enumerate(ORDERS)}


@lru_cache(maxsize=4096)
def divergence(sampling_rate: float, noise_multiplier: float) -> Curve:
    """Of one step. Read-only."""
    with np.errstate(all="ignore"):  # noise next to none: infinity is the answer
        variance = float(np.square(noise_multiplier))
        if variance == 0:  # of a noise whose square underflows: nothing is hidden
            curve = np.full(len(ORDERS), math.inf)
        elif sampling_rate == 1:
            curve = _ORDERS / np.float64(2 * variance)
        else:
            curve = np.array([_subsampled(sampling_rate, variance, order) for order in ORDERS])
    curve.setflags(write=False)
    return curve


@lru_cache(maxsize=4096)
def cost(event: Event) -> Curve:
    """Of all steps of an event. Read-only."""
    curve = divergence(event.sampling_rate, event.noise_multiplier) * event.steps
    curve.setflags(write=False)
    return curve


def sum_of(events: Iterable[Event]) -> Curve:
    """Of a composition."""
    return sum((cost(event) for event in events), np.zeros(len(ORDERS)))


def best_epsilon(curve: Curve, delta: float) -> float:
    """The least epsilon that any of the orders gives."""
    return float(np.min(_epsilons(curve, delta)))


def epsilon_at(curve: Curve, delta: float, order: int) -> float:
    """The epsilon that one order gives. Raises KeyError for an order that is none of ORDERS."""
    at = _PLACE[order]
    return _epsilon(float(curve[at]), delta, float(_conversion(delta)[at]))


@lru_cache(maxsize=256)
def _conversion(delta: float) -> Curve:
    return np.log1p(-1 / _ORDERS) - np.log(delta * _ORDERS) / (_ORDERS - 1)


def _epsilon(divergence: float, delta: float, conversion: float) -> float:
    if delta**2 + math.expm1(-divergence) > 0:
        return 0.0
    return max(0.0, divergence + conversion)


def _epsilons(curve: Curve, delta: float) -> Curve:
    # Where delta^2 exceeds 1 - exp(-divergence), delta alone pays (by KL divergence).
    free = delta**2 + np.expm1(-curve) > 0
    return np.where(free, 0.0, np.maximum(curve + _conversion(delta), 0.0))


def _subsampled(q: float, variance: float, order: int) -> float:
    from scipy.special import gammaln, logsumexp

    k = np.arange(order + 1, dtype=np.float64)
    choose = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    terms = choose + k * math.log(q) + (order - k) * math.log1p(-q) + (k * k - k) / np.float64(2 * variance)
    found = float(logsumexp(terms)) / (order - 1)
    return math.inf if math.isnan(found) else max(0.0, found)
