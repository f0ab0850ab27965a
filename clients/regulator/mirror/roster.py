"""Who is a member, and who holds the regulator's place, by the copy of the log: read without reading all the rest.

roster = roster_of(store, policy.coordinator)
roster.members, roster.successions
"""

from __future__ import annotations

import re
from contextlib import suppress

from clients.regulator.mirror.store import MirrorStore
from federation.oversight.members import ROSTER, Roster
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import read_entry

_KIND = re.compile(rb'"kind":"([a-z0-9-]{1,32})","v":1}')
_KIND_BYTES = 60  # the end of any entry is shorter


def kind_of(data: bytes) -> str:
    """As an entry's last bytes say it; empty where they do not."""
    found = _KIND.search(data, max(0, len(data) - _KIND_BYTES))
    return found[1].decode() if found is not None and found.end() == len(data) else ""


def roster_of(store: MirrorStore, coordinator: VerifyingKey) -> Roster:
    """After the last verified entry; one that says nothing valid (step 2 names it) changes nothing."""
    roster = Roster(coordinator)
    for index, data in enumerate(store.entries()):
        if kind_of(data) in ROSTER:
            with suppress(ProtocolError):
                roster = roster.after(read_entry(data), index)
    return roster
