"""What all institutions together may reveal of one person who is known to several. Pure.

An institution's ledger is about one record at that institution. A person known to m institutions has a record at each:
no single ledger sees that, whoever holds several of them can add it up.

Under local noise every institution's releases are private by themselves: the person's loss is their composition. Under
shared noise (secure aggregation, all institutions together add the noise of one) the person moves ONE sum as often as
it has records in the step: K of m under independent Poisson sampling, K binomial, or m times where all records take
part. That is a Gaussian whose sensitivity is a mixture over K: its exact privacy loss distribution is composed.

>>> from federation.privacy.event import GaussianEvent
>>> run = [GaussianEvent(0.2, 7.63, 100)]                    # epsilon 1 at delta 1e-5
>>> round(local_noise([run] * 3, 1e-5), 2), round(shared_noise(run, 3, 1e-5), 2)
(1.82, 3.41)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from federation.errors import PrivacyError
from federation.ledger.charges import merged
from federation.privacy.event import Event, SharedGaussianEvent


@dataclass(frozen=True)
class WorstCase:
    """Epsilon (PLD, at `delta`) of a person with a record at each of `institutions`, the most costly there are."""

    members: int
    institutions: tuple[str, ...]
    epsilon: float
    delta: float


def for_person(history: Sequence[Event], members: int) -> tuple[Event, ...]:
    """What one institution's part comes to for a person known to `members` that all took part.

    Releases with noise of their own count as they are. Of a release with shared noise each member's part counts with a
    multiplier smaller by sqrt(members): m parts then compose to one release of m times the sensitivity, exactly where
    all records take part, as they do in recipes of sums.
    """
    return tuple(
        replace(event, noise_multiplier=event.noise_multiplier / math.sqrt(members))
        if isinstance(event, SharedGaussianEvent)
        else event
        for event in history
    )


def known_to(histories: Sequence[Sequence[Event]], delta: float) -> float:
    """Epsilon of a person with a record in each of `histories`, whatever their noise."""
    return local_noise([for_person(history, len(histories)) for history in histories], delta)


def local_noise(histories: Sequence[Sequence[Event]], delta: float) -> float:
    """Epsilon of a person with a record in each of `histories`, whose releases each carry their own noise.

    All that is composed is taken as fixed in advance; for plans chosen one after the other see the Renyi filter.
    """
    from federation.privacy.accounting import spent  # scipy: not needed to read a ledger

    return float(spent(merged(event for history in histories for event in history), delta))


def shared_noise(history: Sequence[Event], members: int, delta: float) -> float:
    """Epsilon of a person with a record at each of `members` institutions whose sums share the noise of `history`.

    Each event's noise multiplier is that of the shared noise over one record's clip. Raises PrivacyError unless there
    is a member.
    """
    if members < 1:
        raise PrivacyError("members", got=members, expected="at least 1")
    return _shared(merged(history), members, delta) if history else 0.0


def worst_cases(histories: Mapping[str, Sequence[Event]], delta: float) -> tuple[WorstCase, ...]:
    """The worst case of a person known to 1, 2, ... of the institutions, up to all of them.

    The m institutions are those that spent most by themselves. Where their mechanisms differ, another m could compose
    to slightly more; for all institutions together the figure is exact.
    """
    ranked = sorted(histories, key=lambda name: (-local_noise([histories[name]], delta), name))
    cases = []
    for count in range(1, len(ranked) + 1):
        chosen = tuple(ranked[:count])
        cases.append(WorstCase(count, chosen, known_to([histories[name] for name in chosen], delta), delta))
    return tuple(cases)


@lru_cache(maxsize=256)
def _shared(history: tuple[Event, ...], members: int, delta: float) -> float:
    composed: Any = None
    for event in history:
        released = _mixture(event, members).self_compose(event.steps)
        composed = released if composed is None else composed.compose(released)
    return float(composed.get_epsilon_for_delta(delta))


def _mixture(event: Event, members: int) -> Any:
    """The privacy loss of one step: sensitivity K, K binomial (dp-accounting, pessimistic discretisation)."""
    from dp_accounting.pld import privacy_loss_distribution

    q = event.sampling_rate
    counts = range(members + 1)
    chances = [math.comb(members, count) * q**count * (1 - q) ** (members - count) for count in counts]
    possible = [(float(count), chance) for count, chance in zip(counts, chances, strict=True) if chance > 0]
    return privacy_loss_distribution.from_mixture_gaussian_mechanism(
        standard_deviation=event.noise_multiplier,
        sensitivities=[count for count, _ in possible],
        sampling_probs=[chance for _, chance in possible],
        value_discretization_interval=1e-3,
    )
