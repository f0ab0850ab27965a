"""Watching: the copy follows the log, every entry is judged as it comes, and what is wrong becomes an alert.

Watcher.open(home).run(stop)          # follow, verify, cosign, reveal beacons, draw, verify completely now and then
"""

from clients.regulator.watch.watcher import Watcher

__all__ = ["Watcher"]
