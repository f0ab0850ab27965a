"""What a command of the regulator has logged: kept first, then promised, so that nothing is said twice."""

from __future__ import annotations

import time

from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import LogReader, MirrorStore
from protocols.transparency import Entry, verify_promise


def say(home: RegulatorHome, store: MirrorStore, slot: str, entry: Entry) -> Entry:
    """Keep a statement, then have it promised; the one of this slot that was kept first.

    If the log is away it stays kept, and `watch` sends it. Raises LogUnreachable, ProtocolError.
    """
    kept = store.keep(slot, entry, time.time())
    with LogReader(home.settings.log_url, home.authority) as log:
        promise = log.say(kept.entry)
    verify_promise(promise, kept.entry.hash, home.policy.log, time.time())
    store.answered(kept.leaf, promise.encode())
    return kept.entry
