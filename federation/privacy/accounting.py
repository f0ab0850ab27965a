"""What a sequence of releases costs, by three accountants.

PLD (Google's dp-accounting, pessimistic discretisation) is the figure that budgets are kept with; PRV (Opacus, upper
bound; Gopi et al., arXiv:2106.02848) is the figure that is published beside it; RDP is the third opinion, from another
theory. Amplification is counted only for Poisson sampling. Adjacency is add-or-remove-one; the replace-one figure,
about twice as large, is always given as well.

Events of both distributions are accounted as the dearer of the two, the discrete one. What it releases is a function of
what a continuous Gaussian, with a multiplier smaller by the factor `LATTICE`, would have released, up to a factor of
1 + 10^-75 in each number's probability (docs/decisions/0011-exact-training.md). So every accountant of the continuous
Gaussian, sampled and composed, bounds the discrete one.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from federation.errors import PrivacyError
from federation.privacy.event import GaussianEvent

ADJACENCY = "add_or_remove_one"
_PRV_MAX_STEPS = 200_000  # beyond it Opacus' PRV accountant asks for more memory than a machine has
_PRV_MIN_MULTIPLIER = 0.3  # below it the PRV domain overflows and reads infinity
_RDP_ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 384, 512, 768, 1024)
LATTICE = 1 - 2.0**-36  # 1 - 9/s^2 under the root, for noise of at least s = 2^20 lattice points
_NO_GUARANTEE = 1e4  # an epsilon beyond this is reported as infinite: it promises nothing


@dataclass(frozen=True)
class Claims:
    """Epsilons of one unit (a record) for everything that was composed, at one `delta`.

    pld           Google PLD, an upper bound; budgets are kept with this one
    prv           Opacus PRV, upper bound; equal to `pld` where `prv_fallback` says that PRV could not answer
    rdp           Renyi accountant
    replace_one   PLD where a neighbour replaces one record instead of adding or removing it
    """

    pld: float
    prv: float
    rdp: float
    delta: float
    replace_one: float
    adjacency: Literal["add_or_remove_one"] = "add_or_remove_one"
    prv_fallback: bool = False

    def to_json(self) -> dict[str, Any]:
        """JSON-ready; an infinite epsilon becomes None."""
        return {k: (None if isinstance(v, float) and math.isinf(v) else v) for k, v in asdict(self).items()}


def epsilons(events: Iterable[GaussianEvent], delta: float) -> Claims:
    """Epsilons of the composition of `events` at `delta`, cached. No events cost nothing.

    Raises PrivacyError if `delta` is not in (0, 1).

    >>> spent = epsilons([GaussianEvent(0.2, 7.63, 5)] * 20, delta=1e-5)
    >>> round(spent.pld, 2), spent.pld < spent.prv < spent.rdp < spent.replace_one
    (1.0, True)
    """
    if not 0 < delta < 1:
        raise PrivacyError("delta", got=delta, expected="in (0, 1)")
    return _claims(merge(events), delta)


def spent(events: Iterable[GaussianEvent], delta: float) -> float:
    """`epsilons(events, delta).pld` alone: what a budget is kept with, in a fraction of the time."""
    return _spent(merge(events), delta)


def merge(events: Iterable[GaussianEvent]) -> tuple[GaussianEvent, ...]:
    """Equal mechanisms added up, in one order: composition does not depend on it."""
    steps: dict[tuple[float, float], int] = defaultdict(int)
    for event in events:  # of either distribution: they cost the same
        steps[event.sampling_rate, event.noise_multiplier] += event.steps
    return tuple(sorted(GaussianEvent(q, sigma, count) for (q, sigma), count in steps.items()))


@lru_cache(maxsize=4096)
def _spent(events: tuple[GaussianEvent, ...], delta: float) -> float:
    rdp = rdp_epsilon(events, delta) if events else 0.0
    if rdp > _NO_GUARANTEE:
        return math.inf
    return pld_epsilon(events, delta, interval=pld_interval(rdp)) if events else 0.0


@lru_cache(maxsize=4096)
def _claims(events: tuple[GaussianEvent, ...], delta: float) -> Claims:
    if not events:
        return Claims(0.0, 0.0, 0.0, delta, 0.0)
    rdp = rdp_epsilon(events, delta)
    if rdp > _NO_GUARANTEE:
        return Claims(math.inf, math.inf, math.inf, delta, math.inf, prv_fallback=True)
    pld = _spent(events, delta)
    replace = pld_epsilon(events, delta, interval=10 * pld_interval(rdp), replace_one=True)
    prv = prv_epsilon(events, delta, error=max(0.01, 0.0025 * rdp))
    return Claims(pld, pld if prv is None else prv, rdp, delta, replace, prv_fallback=prv is None)


def pld_interval(rdp: float) -> float:
    """Discretisation in proportion to the epsilon: a pessimistic estimate whatever it is, coarser where it is large."""
    return max(1e-4, 1e-4 * rdp)


def pld_epsilon(
    events: Iterable[GaussianEvent], delta: float, *, interval: float = 1e-4, replace_one: bool = False
) -> float:
    """Google's PLD accountant, pessimistic: never below the true epsilon."""
    from dp_accounting import NeighboringRelation
    from dp_accounting.pld import PLDAccountant

    relation = NeighboringRelation.REPLACE_ONE if replace_one else NeighboringRelation.ADD_OR_REMOVE_ONE
    accountant = PLDAccountant(relation, value_discretization_interval=interval)
    return float(accountant.compose(dp_event(events)).get_epsilon(delta))


def rdp_epsilon(events: Iterable[GaussianEvent], delta: float) -> float:
    """dp-accounting's Renyi accountant over integer orders."""
    from dp_accounting.rdp import RdpAccountant

    return float(RdpAccountant(orders=_RDP_ORDERS).compose(dp_event(events)).get_epsilon(delta))


def prv_epsilon(events: Iterable[GaussianEvent], delta: float, *, error: float = 0.01) -> float | None:
    """Upper bound of Opacus' PRV accountant, at most `error` above the truth; None where it cannot answer."""
    history = [(LATTICE * e.noise_multiplier, e.sampling_rate, e.steps) for e in events]
    steps = sum(count for _, _, count in history)
    if steps > _PRV_MAX_STEPS or min(sigma for sigma, _, _ in history) < _PRV_MIN_MULTIPLIER:
        return None
    try:
        value = _opacus_prv(history, delta, error)
    except (ValueError, RuntimeError, ArithmeticError, MemoryError):
        return None
    return value if math.isfinite(value) else None


def _opacus_prv(history: list[tuple[float, float, int]], delta: float, error: float) -> float:
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = history
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # log(0) in branches that np.where discards; the order of an RDP starting point
        return float(accountant.get_epsilon(delta, eps_error=error))


def dp_event(events: Iterable[GaussianEvent]) -> Any:
    """The same composition in dp-accounting's vocabulary (a `dp_accounting.DpEvent`)."""
    import dp_accounting

    def one(event: GaussianEvent) -> Any:
        gaussian = dp_accounting.GaussianDpEvent(LATTICE * event.noise_multiplier)
        if event.sampling_rate < 1:
            gaussian = dp_accounting.PoissonSampledDpEvent(event.sampling_rate, gaussian)
        return dp_accounting.SelfComposedDpEvent(gaussian, event.steps)

    return dp_accounting.ComposedDpEvent([one(event) for event in events])


def gaussian_delta(mu: float, epsilon: float) -> float:
    """delta(epsilon) of a mu-Gaussian-DP release (Dong, Roth, Su, arXiv:1905.02383, corollary 2.13): exact at q = 1."""
    from scipy.special import log_ndtr, ndtr  # a quarter of a second that whoever only opens a home saves

    return float(ndtr(mu / 2 - epsilon / mu) - math.exp(epsilon + log_ndtr(-mu / 2 - epsilon / mu)))


def gaussian_mu(epsilon: float, delta: float) -> float:
    """The mu whose full-batch Gaussian releases cost exactly (epsilon, delta); mu^2 adds up over releases.

    >>> round(gaussian_mu(1.0, 1e-5), 5)
    0.26805
    """
    return _root(lambda mu: gaussian_delta(mu, epsilon) - delta, 1e-6, 100.0)


def gaussian_epsilon(mu: float, delta: float) -> float:
    """The epsilon of a mu-Gaussian-DP release at `delta`: the inverse of `gaussian_mu`; infinity beyond 10,000.

    >>> round(gaussian_epsilon(gaussian_mu(1.0, 1e-5), 1e-5), 6)
    1.0
    """
    if gaussian_delta(mu, 0.0) <= delta:
        return 0.0
    if gaussian_delta(mu, _NO_GUARANTEE) > delta:
        return math.inf
    return _root(lambda epsilon: gaussian_delta(mu, epsilon) - delta, 0.0, _NO_GUARANTEE)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq  # half a second that whoever only reads plans and ledgers saves

    return float(brentq(function, low, high))
