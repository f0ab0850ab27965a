"""Lower bounds on epsilon from what an attack on a trainer achieves, each at a stated confidence.

Nothing here knows of trainers: samples and counts go in, a figure comes out that a mechanism of a smaller epsilon would
exceed with probability at most `alpha`. Three ways, from the least assumed to the most:

counting   rates of right and wrong guesses, bounded by Clopper and Pearson (1934); no form of the noise is assumed
one run    guesses on many canaries of one run: Steinke, Nasr, Jagielski, arXiv:2305.08846, theorem 5.2; none either
Gaussian   the mu of mu-Gaussian DP from means and a standard deviation: the noise is Gaussian in the direction looked
           at (Nasr and others, "Tight auditing", arXiv:2302.07956; Dong, Roth, Su, arXiv:1905.02383)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq

_LARGEST = 100.0  # no bound beyond it is looked for: no plan promises as little


def at_least(hits: int, trials: int, alpha: float) -> float:
    """Clopper and Pearson's lower bound on a probability: at least this, with confidence 1 - `alpha`.

    >>> round(at_least(50, 50, 0.05), 4), at_least(0, 50, 0.05)
    (0.9418, 0.0)
    """
    return 0.0 if hits == 0 else float(stats.beta.ppf(alpha, hits, trials - hits + 1))


def at_most(hits: int, trials: int, alpha: float) -> float:
    """Clopper and Pearson's upper bound on a probability."""
    return 1.0 - at_least(trials - hits, trials, alpha)


def counted_epsilon(
    right: tuple[int, int], wrong: tuple[int, int], *, delta: float, alpha: float, group: int = 1
) -> float:
    """The least epsilon at `delta` that goes with an attacker's guesses: (hits, trials) with a record, and without.

    Neighbours differ in `group` records. A mechanism that is (epsilon, delta)-DP for one record has

        P[hit | present] <= e^(k epsilon) P[hit | absent] + delta (e^(k epsilon) - 1) / (e^epsilon - 1)

    for k of them (Vadhan, "The complexity of differential privacy", lemma 2.2). 0 where the rates show nothing.
    """
    often, seldom = at_least(*right, alpha / 2), at_most(*wrong, alpha / 2)

    def excess(epsilon: float) -> float:
        grown = math.exp(group * epsilon)
        return grown * seldom + delta * (math.expm1(group * epsilon) / math.expm1(epsilon)) - often

    return _first(excess, 1e-9, _LARGEST / group)


def guessed_p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """At most the probability of `right` guesses or more out of `guesses`, of `canaries` that a fair coin included,
    under any (`epsilon`, `delta`)-DP trainer, however its outcome depends on all canaries together.

    Theorem 5.2 of the paper: v is stochastically below Binomial(r, e^eps / (e^eps + 1)) but for delta's part, which
    adds 2 m delta times the largest mean of the probabilities just below v.
    """
    guess = stats.binom(guesses, 1 / (1 + math.exp(-epsilon)))
    below = np.cumsum(guess.pmf(np.arange(right - 1, -1, -1))) / np.arange(1, right + 1)
    return min(1.0, float(guess.sf(right - 1)) + 2 * canaries * delta * float(below.max(initial=0.0)))


def guessed_epsilon(canaries: int, guesses: int, right: int, *, delta: float, alpha: float) -> float:
    """The least epsilon under which as many right guesses have probability `alpha`; 0 where they show nothing."""
    if guesses == 0:
        return 0.0
    return _first(lambda epsilon: guessed_p_value(canaries, guesses, right, epsilon, delta) - alpha, 0.0, _LARGEST)


def _first(increasing: Callable[[float], float], low: float, high: float) -> float:
    """Where `increasing` becomes positive between `low` and `high`; 0 and `high` where it does so before or after."""
    if increasing(low) >= 0:
        return 0.0
    return high if increasing(high) <= 0 else float(brentq(increasing, low, high))


@dataclass(frozen=True)
class Separation:
    """How far apart two samples of a Gaussian direction are, in standard deviations of the one without canary.

    estimate  difference of means over standard deviation
    least     what it is at least, with the confidence asked for
    """

    estimate: float
    least: float

    @classmethod
    def of(cls, absent: NDArray[np.float64], present: NDArray[np.float64], alpha: float) -> Separation:
        """Welch's t for the size of the difference of means, chi-square for the deviation: half of `alpha` each.

        Infinite for samples without canary that are all the same while the means differ: noise that is none.
        """
        difference = abs(float(present.mean() - absent.mean()))
        errors = np.array([sample.var(ddof=1) / len(sample) for sample in (absent, present)])
        freedoms = np.array([len(sample) - 1 for sample in (absent, present)])
        deviation = float(absent.std(ddof=1))
        widest = deviation * math.sqrt(freedoms[0] / float(stats.chi2.ppf(alpha / 2, freedoms[0])))
        welch = errors.sum() ** 2 / max(float((errors**2 / freedoms).sum()), np.finfo(float).tiny)
        lowest = difference - float(stats.t.ppf(1 - alpha / 4, max(welch, 1.0))) * math.sqrt(float(errors.sum()))
        return cls(_over(difference, deviation), _over(max(lowest, 0.0), widest))

    def over(self, canaries: int) -> Separation:
        """For one canary, of a crowd that moved the sample together."""
        return Separation(self.estimate / canaries, self.least / canaries)


def _over(difference: float, deviation: float) -> float:
    if deviation > 0:
        return difference / deviation
    return math.inf if difference > 0 else 0.0
