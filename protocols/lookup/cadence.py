"""When a member may sign another epoch: never out of turn.

A relay that could call an epoch at any time would take one member out and read its records as the difference of two
sums. So a member remembers its epochs, and signs no epoch before the last one in which it answered tickets is a cadence
old, closed and erased. An epoch in which it gave no ticket away can be given up and followed at once: erased, nobody
can ever read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.errors import StageError
from protocols.lookup.manifest import EpochHeader, LayoutHeader
from protocols.lookup.parameters import Parameters


@dataclass(frozen=True)
class PastEpoch:
    """What a member keeps of an epoch it signed: counter, times, tickets it answered, and if its secrets are gone."""

    counter: int
    epoch_id: bytes
    opens_at: int
    closes_at: int
    tickets: int
    erased: bool


def check_turn(
    past: Sequence[PastEpoch], layout: LayoutHeader, epoch: EpochHeader, parameters: Parameters, now: float
) -> None:
    """Raises StageError unless `epoch` is this member's next one, at `now`:

    1. its counter was never used, nor a later one
    2. it lasts for a cadence or more, opens no later than that, and opened half a cadence ago at most: dated further
       back it would be over soon, and the next one in turn
    3. the secrets of every epoch before are erased
    4. the last one that answered tickets is closed, and opened a cadence ago or more
    """
    last = max((entry.counter for entry in past), default=0)
    if layout.counter <= last:
        raise StageError("layout.counter", got=layout.counter, expected=f"more than {last}")
    cadence = parameters.cadence_s
    if epoch.closes_at - epoch.opens_at < cadence:
        got = f"an epoch of {epoch.closes_at - epoch.opens_at} s"
        raise StageError("epoch.closes_at", got=got, expected=f"at least {cadence} s")
    if not now - cadence // 2 <= epoch.opens_at <= now + cadence:
        raise StageError("epoch.opens_at", got=epoch.opens_at, expected=f"an epoch that opens around {int(now)}")
    for entry in past:
        if not entry.erased:
            raise StageError(f"epoch {entry.counter}", got="secrets not erased", expected="none kept")
        if entry.tickets and epoch.opens_at < entry.closes_at:
            got = f"an epoch that opens at {epoch.opens_at}"
            raise StageError(
                f"epoch {entry.counter}", got=got, expected=f"{entry.closes_at} or later: it is open till then"
            )
        if entry.tickets and epoch.opens_at < entry.opens_at + cadence:
            got = f"an epoch that opens at {epoch.opens_at}"
            raise StageError(
                f"epoch {entry.counter}", got=got, expected=f"{cadence} s after {entry.opens_at}, or later"
            )
