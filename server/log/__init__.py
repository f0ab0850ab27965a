"""The federation's transparency log, kept by the coordinator: append, promise, prove.

log = LogStore.open(home.database_url, key, time.time)
promise = log.append("lookup-leaf", leaf.encode())
"""

from server.log.log_store import Inclusion, LogStore, Page

__all__ = ["Inclusion", "LogStore", "Page"]
