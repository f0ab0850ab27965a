"""What a node's first plan and first round would otherwise wait for."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread, get_native_id

# As typical a round as any: what is computed for it fills the accountants' own tables.
_RATE, _MULTIPLIER, _STEPS, _DELTA = 0.2, 7.63, 5, 1e-5
LATER_S = 10.0
_NICE = 10


def warm(stop: Event, *, later: float, trains: Callable[[], bool]) -> None:
    """Import what a plan needs, a second of CPU, and `later` seconds on what a round needs, 2 s more.

    Not before `trains` says that a plan can come at all, asked every `later` seconds: an institution that has allowed
    no bundle refuses them all, and 250 MB of libraries with them.

    A node that starts with all the rest of a deployment must not take the CPU from what leads to its first plan, so
    this thread is a nice one; a round that comes before its imports waits for them, and for no more. Returns early once
    `stop` is set.
    """
    with suppress(AttributeError, OSError):  # where the system has no priorities of threads, it has its own of both
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
    while not trains():
        if stop.wait(later):
            return
    from federation.privacy import GaussianEvent, epsilons
    from federation.privacy.accounting import spent

    events = [GaussianEvent(_RATE, _MULTIPLIER, _STEPS)]
    spent(events, _DELTA)
    if stop.wait(later):
        return
    import federation.privacy.mechanism

    _ = federation.privacy.mechanism.GaussianMechanism
    epsilons(events, _DELTA)


def warm_behind(stop: Event, trains: Callable[[], bool], *, later: float = LATER_S) -> Thread:
    """`warm` on a thread of its own: the node answers meanwhile, and an exit waits for an import to end."""
    thread = Thread(target=warm, args=(stop,), kwargs={"later": later, "trains": trains}, name="warming")
    thread.start()
    return thread
