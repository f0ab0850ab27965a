"""The pool process: python -m server.lookup.pool_process HOME.

A child of `fedscore coordinator serve` while an epoch needs it. It listens at once, prepares when the record says so,
and ends by itself when the epoch is closed. Killed at any moment, it goes on from the record and its files.
"""

from __future__ import annotations

import sys
import threading
import time

from federation.observability.grpc_health import health_handler
from federation.observability.monitor import monitored
from federation.observability.names import Process
from federation.runtime import rpc
from federation.runtime.logging import configure_process
from federation.runtime.private_files import read_private
from federation.runtime.processes import protect_memory
from federation.runtime.rate_limit import RateLimit
from federation.runtime.stop_signal import until_stopped
from protocols.wire import lookup_pb2 as wire
from server.callers import Callers
from server.figures import observe_pool
from server.home import CoordinatorHome
from server.log import LogStore
from server.lookup.blob_store import BlobStore
from server.lookup.epochs import POOL
from server.lookup.folders import LookupFolders
from server.lookup.hosting import FRESH_S, conduct
from server.lookup.pool import Pool
from server.lookup.pool_service import MAX_MESSAGE_BYTES, WORKERS, PoolService
from server.lookup.progress import Trouble
from server.lookup.record_store import RecordStore
from server.membership_store import MembershipStore


def serve(home: CoordinatorHome, stop: threading.Event) -> None:
    """Serve until `stop`, or until no epoch needs a pool. Raises ConfigurationError for a port that is taken."""
    folders = LookupFolders(home.path)
    record = RecordStore.open(home.database_url)
    pool = Pool(
        record=record,
        blobs=BlobStore(record.engine, folders.root),
        folders=folders,
        log=LogStore.open(home.database_url, home.log_key, time.time, anchor=home.log_anchor),
        key=folders.pool_key(),
        now=time.time,
        processes=home.settings.pool_workers,
    )
    members = MembershipStore.open(home.database_url)
    callers = Callers(members, limit=RateLimit(burst=2000, per_second=1000.0), fresh=FRESH_S)
    keys = home.keys
    credentials = rpc.server_tls(
        read_private(keys / "tls.key"), (keys / "tls.crt").read_bytes(), client_authority=home.authority_pem
    )

    def tick() -> bool:
        if not pool.tick():
            stop.set()
        return False

    service = wire.DESCRIPTOR.services_by_name["Pool"]
    with (
        monitored(Process.POOL, home.path, home.name, home.settings.metrics) as monitor,
        rpc.serve(
            [
                rpc.handlers(service, PoolService(pool, callers)),
                health_handler(lambda: monitor.health().ready, [service.full_name]),
            ],
            home.listen(home.settings.pool),
            credentials=credentials,
            workers=WORKERS,
            max_bytes=MAX_MESSAGE_BYTES,
        ),
    ):
        observe_pool(monitor, pool)
        conduct(tick, stop, Trouble(folders.trouble(POOL)))
    pool.stop()


def main() -> None:
    """The process' entry: the home in the only argument; ends at SIGTERM or SIGINT."""
    protect_memory()
    stop = until_stopped()
    configure_process()
    home = CoordinatorHome.open(sys.argv[1])
    configure_process(home.logs / "pool.jsonl")
    serve(home, stop)


if __name__ == "__main__":
    main()
