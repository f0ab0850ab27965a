"""The relay of a coordinator's home, put together: what the membership process hosts.

with hosted(home, members, log) as lookup:
    ...serve lookup.handlers beside the membership...
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from federation.errors import FederationError
from federation.observability import metrics
from federation.runtime import rpc
from federation.runtime.logging import get_logger
from federation.runtime.rate_limit import RateLimit
from protocols.errors import ProtocolError
from protocols.wire import lookup_pb2 as wire
from server.callers import Callers
from server.home import CoordinatorHome
from server.log import LogStore
from server.lookup.blob_store import BlobStore
from server.lookup.checks import check_step
from server.lookup.conductor import Conductor
from server.lookup.duties import Duties
from server.lookup.epochs import RELAY
from server.lookup.folders import LookupFolders
from server.lookup.progress import Trouble
from server.lookup.record_store import RecordStore
from server.lookup.relay import Relay
from server.lookup.relay_service import WORKERS, RelayService
from server.membership_store import MembershipStore

FRESH_S = 1.0  # a revoked member's calls end within a second
TICK_S = 0.2
_LIMIT = {"burst": 2000, "per_second": 500.0}
_log = get_logger("relay")


@dataclass(frozen=True)
class Hosted:
    """The services to serve, how many workers they need, and the relay itself."""

    handlers: tuple[grpc.GenericRpcHandler, ...]
    workers: int
    relay: Relay


@contextmanager
def hosted(home: CoordinatorHome, members: MembershipStore, log: LogStore) -> Iterator[Hosted]:
    """A relay that works until the block ends: its own steps in a thread, everything else when it is called."""
    folders = LookupFolders(home.path)
    record = RecordStore.open(home.database_url)
    relay = Relay(
        record=record,
        blobs=BlobStore(record.engine, folders.root),
        folders=folders,
        duties=Duties(clock=time.monotonic, now_ms=lambda: int(time.time() * 1000), random=os.urandom),
        log=log,
        key=home.signing_key,
        check=check_step,
        random=os.urandom,
        now=time.time,
        log_key=home.log_key.public,
        pool_key=folders.pool_key().public,
        pool_address=home.pool_address,
    )
    conductor = Conductor(relay, lambda names: revoked(members, names), processes=home.settings.lookup_processes)
    stop = threading.Event()
    trouble = Trouble(folders.trouble(RELAY))
    thread = threading.Thread(target=conduct, args=(conductor.tick, stop, trouble), name="conductor", daemon=True)
    thread.start()
    callers = Callers(members, limit=RateLimit(**_LIMIT), fresh=FRESH_S)  # type: ignore[arg-type]
    service = rpc.handlers(wire.DESCRIPTOR.services_by_name["Relay"], RelayService(relay, callers))
    try:
        yield Hosted((service,), WORKERS, relay)
    finally:
        stop.set()
        relay.duties.stop()
        thread.join(5.0)
        record.close()


def conduct(tick: Callable[[], bool], stop: threading.Event, trouble: Trouble) -> None:
    """`tick` until `stop`: at once again while there is something to do; after an error, which `trouble` keeps for the
    operator, a little later.
    """
    pause = 0.0
    while not stop.wait(pause):
        try:
            pause = 0.0 if tick() else TICK_S
            trouble.over()
        except (FederationError, ProtocolError) as error:
            _log.warning("a step of the epoch failed", code=type(error).__name__)
            metrics.count("fedscore_steps_failed_total")
            trouble.say(error)
            pause = 1.0
        except Exception as error:
            _log.error("a step of the epoch failed", error=error)
            metrics.count("fedscore_steps_failed_total")
            trouble.say(error)
            pause = 5.0


def revoked(members: MembershipStore, names: Collection[str]) -> list[str]:
    """Those of `names` that are no longer admitted."""
    admitted = {member.institution for member in members.admitted()}
    return [name for name in names if name not in admitted]
