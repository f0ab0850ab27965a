"""The Renyi filter: what year and lifetime are capped by, because their plans are chosen one after the other.

A run is one plan, fixed before its first release, so any accountant of its composition bounds it, and PLD is the
tightest. The next plan may be chosen by somebody who has seen what the last one released. Composition theorems for
parameters chosen that way are known for Renyi DP of an order that is fixed in advance (Feldman and Zrnic, "Individual
Privacy Accounting via a Renyi Filter", NeurIPS 2021, arXiv:2008.11193; Lecuyer, "Practical Privacy Filters and
Odometers with Renyi Differential Privacy", 2021): as long as the sum of the Renyi divergences of order alpha stays
within a budget, the whole interaction is within it. For PLD it is not so: stopping when the composed profile passes
(epsilon, delta) is no valid filter in general (Regehr et al., arXiv:2602.15815).

The order is chosen from the cap and its delta alone, before anything is spent. The best of several orders, picked after
the fact, would be another theorem; near the cap it is the same figure anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from federation.privacy.event import Event

ORDERS: tuple[int, ...] = (*range(2, 65), 80, 96, 128, 192, 256, 384, 512, 768, 1024)


@lru_cache(maxsize=256)
def filter_order(cap: float, delta: float) -> int:
    """The order at which Gaussian releases may spend the most under `cap` (epsilon at `delta`).

    A Gaussian's divergence of order alpha is proportional to alpha, so it is the order that maximises
    (cap - conversion) / alpha; Poisson-sampled Gaussians with much noise behave alike.

    >>> filter_order(3.0, 1e-5), filter_order(10.0, 1e-5)
    (8, 3)
    """
    return max(ORDERS, key=lambda order: (cap - conversion(order, delta)) / order)


def conversion(order: int, delta: float) -> float:
    """What a divergence of `order` is short of epsilon at `delta` (Canonne, Kamath, Steinke, arXiv:2004.00010, 12)."""
    return math.log1p(-1 / order) - math.log(delta * order) / (order - 1)


def renyi_epsilon(events: Sequence[Event], delta: float, order: int) -> float:
    """Epsilon at `delta` of `events`, chosen adaptively or not, by their Renyi divergence of `order` alone."""
    return _renyi_epsilon(tuple(events), delta, order)


@lru_cache(maxsize=4096)
def _renyi_epsilon(events: tuple[Event, ...], delta: float, order: int) -> float:
    from dp_accounting.rdp import RdpAccountant  # not needed to read a ledger

    from federation.privacy.accounting import dp_event

    return float(RdpAccountant(orders=(order,)).compose(dp_event(events)).get_epsilon(delta))
