"""The federation's transparency log, kept by the coordinator: append, promise, prove, publish, have cosigned.

store = LogStore.open(home.database_url, key, time.time)
promise = store.append("lookup-leaf", leaf.encode())
note = store.cosigned(quorum)

`LogHost` is the one that has checkpoints cosigned, `server.log.hosting` serves it.
"""

from server.log.log_host import LogHost, Which
from server.log.log_store import Inclusion, LogStore, Page

__all__ = ["Inclusion", "LogHost", "LogStore", "Page", "Which"]
