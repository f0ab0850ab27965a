"""What one member may have logged in a day: as many questions as it may have tickets, and not a full disk.

    quota = LeafQuota()
    quota.take(leaves, limit=context.daily_tickets)        # Refused (`quota`) for a batch that goes beyond it

A log forgets nothing, and every member reads all of an epoch's leaves when it closes. Counted by the day (UTC) that a
leaf is dated, as members and reconciliation count; the same leaf again is no other. In memory: what is charged is for
the members to know, and a relay that starts anew counts anew.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from federation.errors import Refused
from protocols.lookup.leaf import SignedLeaf
from server.lookup.epochs import Code

_DAY_S = 86_400
_KEPT_DAYS = 3  # a leaf is dated a day back at most, and some minutes ahead


@dataclass
class LeafQuota:
    """Leaves by querier and day. Safe for threads."""

    _taken: dict[tuple[str, int], set[bytes]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, leaves: Sequence[SignedLeaf], *, limit: int) -> None:
        """Count checked leaves. Raises Refused, and counts none of them, where one day would have more than `limit`."""
        with self._lock:
            fresh: dict[tuple[str, int], set[bytes]] = {}
            for leaf in leaves:
                day = leaf.leaf.querier, leaf.leaf.issued_at // _DAY_S
                if leaf.hash not in self._taken.get(day, ()):
                    fresh.setdefault(day, set()).add(leaf.hash)
            for day, hashes in fresh.items():
                count = len(self._taken.get(day, ())) + len(hashes)
                if count > limit:
                    got = f"{count} of {day[0]} on one day"
                    raise Refused(Code.QUOTA, "leaves", got=got, expected=f"at most {limit}, as many as tickets")
            for day, hashes in fresh.items():
                self._taken.setdefault(day, set()).update(hashes)
            newest = max((day for _, day in self._taken), default=0)
            self._taken = {day: taken for day, taken in self._taken.items() if day[1] > newest - _KEPT_DAYS}
