"""The regulator's own copy of the log: fetched, verified against checkpoints, and never taken back.

mirror = Mirror(store, policy.log, anchor=home.anchor)
with LogReader(home.settings.log_url, home.authority) as log:
    mirror.advance(log, log.checkpoint())          # raises Alarm where the log forked or went back
store.entries(0), store.newest
"""

from clients.regulator.mirror.documents import Shelf
from clients.regulator.mirror.follow import Alarm, Mirror
from clients.regulator.mirror.store import Held, MirrorStore
from federation.runtime.log_reader import LogReader, LogUnreachable

__all__ = ["Alarm", "Held", "LogReader", "LogUnreachable", "Mirror", "MirrorStore", "Shelf"]
