"""What was charged, as an accountant composes it: mechanisms, whatever they are, and how often each was used. Pure.

>>> from federation.privacy.event import GaussianEvent
>>> charges = Counter({unit(GaussianEvent(0.2, 7.63, 5)): 5})
>>> composition(charges, GaussianEvent(0.2, 7.63, 10))
(GaussianEvent(sampling_rate=0.2, noise_multiplier=7.63, steps=15),)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from federation.privacy.event import Event

Charges: TypeAlias = Mapping[Event, int]
"""A mechanism, as an event of one step -> its steps."""


def unit(event: Event) -> Event:
    """One step of the event's mechanism."""
    return event if event.steps == 1 else replace(event, steps=1)


def composition(charges: Charges, extra: Event | None = None) -> tuple[Event, ...]:
    """The charges as events, equal mechanisms merged and sorted: one composition has one form, so caches hit."""
    steps = Counter(dict(charges))
    if extra is not None:
        steps[unit(extra)] += extra.steps
    merged = (replace(mechanism, steps=count) for mechanism, count in steps.items())
    return tuple(sorted(merged, key=lambda event: mechanism_of(event)))


def merged(events: Iterable[Event]) -> tuple[Event, ...]:
    """Equal mechanisms added up, sorted."""
    charges: Counter[Event] = Counter()
    for event in events:
        charges[unit(event)] += event.steps
    return composition(charges)


def mechanism_of(event: Event) -> tuple[Any, ...]:
    """What distinguishes a mechanism, its name first: how mechanisms are ordered."""
    return tuple(value for name, value in event.to_json().items() if name != "steps")
