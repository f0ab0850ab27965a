"""The node process: `python -m clients.institution.node_service HOME`.

Loads the home and its records, then answers the thin Flower app on HOME/node.sock (gRPC, mode 0600) until SIGTERM. One
request at a time; torch is warm and has one thread. The log (stderr and HOME/logs/node.jsonl) holds counts, codes,
hashes and places in the code, never a value of a record.
"""

from __future__ import annotations

import argparse
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import grpc
import numpy as np
from numpy.typing import NDArray

from clients.institution.home import InstitutionHome
from clients.institution.lookup.attending import attend_behind
from clients.institution.lookup.opening_nightly import open_behind
from clients.institution.masking import masking_of
from clients.institution.node import Node
from clients.institution.node_figures import observe
from clients.institution.oversight.oversight import Oversight
from clients.institution.oversight.trail import Trail
from clients.institution.person.posting import post_behind
from clients.institution.person.records import amendments
from clients.institution.person.watching import changes, restart_on_change
from clients.institution.plan_store import PlanStore
from clients.institution.policy import Policy
from clients.institution.replay.evidence import record_tree
from clients.institution.replay.live import LiveReplays
from clients.institution.replay.rounds import Replays
from clients.institution.run_history import RunHistory
from clients.institution.training import Computation
from clients.institution.warming import warm_behind
from federation.catalogue import load_catalogue
from federation.errors import CatalogueError, FederationError, LedgerBehind, LedgerError, RecordsError
from federation.ledger import Ledger
from federation.observability.grpc_health import health_handler
from federation.observability.monitor import Monitor, monitored
from federation.observability.names import Process
from federation.oversight.replay import Place
from federation.privacy import OsNoise
from federation.records import load_records, refuse_empty
from federation.records.encoded import Encoded
from federation.runtime.logging import configure_process, get_logger
from federation.runtime.private_files import keep_private, read_private
from federation.runtime.processes import UNUSABLE
from federation.runtime.rpc import Served, handlers, start
from federation.runtime.stop_signal import until_stopped
from protocols.errors import ProtocolError
from protocols.wire import training_pb2
from protocols.wire.training_pb2 import Envelope

_log = get_logger("node")
_SERVICE = training_pb2.DESCRIPTOR.services_by_name["Node"]
_SALT_FILE = "holdout.salt"
_TROUBLE = {
    RecordsError: "records cannot be used",
    CatalogueError: "catalogue cannot be used",
    LedgerBehind: "ledger is behind the log, see docs operations",
    LedgerError: "ledger cannot be opened",
    ProtocolError: "keys cannot be read",
}
_FOR_GOOD = (RecordsError, CatalogueError, LedgerBehind)  # a database that is away may come back
STOP_GRACE_S = 30.0  # a round that is under way may finish: its budget is spent


class NodeServicer:
    """The gRPC face of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def Handle(self, request: Envelope, context: grpc.ServicerContext) -> Envelope:  # noqa: N802 (named in the .proto)
        """Whatever the node answers; it answers everything."""
        return Envelope.FromString(self._node.handle(request.SerializeToString(deterministic=True)))


def open_ledger(home: InstitutionHome, oversight: Oversight) -> Ledger:
    """The ledger of a home, once the log is known to show no more of it than it has. Raises LedgerError, LedgerBehind.

    A copy that is behind is not written into: what recovery closes would be a second history of it.
    """
    ledger = Ledger.open(
        home.database_url, institution=home.name, key=home.signing_key, caps=home.caps(), recover=False
    )
    oversight.check_start(ledger)
    ledger.recover()
    return ledger


def open_computation(home: InstitutionHome) -> Computation:
    """The records of a home, split. Raises FederationError: settings, records."""
    catalogue = load_catalogue(home.catalogue)
    records, report = load_records(
        home.data,
        catalogue,
        coverage=home.settings.features,
        quarantine=home.quarantine / "training.csv",
        amend=amendments(home, catalogue),
    )
    refuse_empty(report, str(home.data))
    _log.info("records read", institution=home.name, records=len(records), quarantined=report.rows_quarantined)
    training, holdout = split(records, home.settings.holdout, holdout_salt(home.keys))
    if not len(training) or not len(holdout):
        _log.warning("too few records to split", institution=home.name, training=len(training), holdout=len(holdout))
    return Computation(catalogue, training, holdout, OsNoise())


def open_replays(home: InstitutionHome, computation: Computation, ledger: Ledger) -> LiveReplays:
    """Where the randomness of rounds on these records comes from, if they are to be replayed."""
    records = {"train": computation.training_records, "evaluate": computation.holdout_records}
    history = RunHistory(ledger)  # of its own: another thread asks

    def reserved(place: Place) -> bool:
        return place.attempt < history.next_attempt((place.run_id, place.phase, place.round))

    return LiveReplays(home, lambda phase: record_tree(records[phase], home.keys).root, reserved)


def open_node(home: InstitutionHome, ledger: Ledger, trail: Trail, computation: Computation, replays: Replays) -> Node:
    """The node of a home that is enrolled. Raises FederationError: settings."""
    policy = Policy(
        nominal_records=home.settings.nominal_records,
        bundles=lambda: home.allowed_bundles,
        features=home.settings.features,
        families=home.settings.allow_families,
        approval=home.settings.approve_plans,
        vintage=datetime.fromtimestamp(home.data.stat().st_mtime, UTC).date().isoformat(),
    )
    return Node(
        home.name,
        home.signing_key,
        home.coordinator_key,
        ledger=ledger,
        computation=computation,
        policy=policy,
        plans=PlanStore.open(home.database_url),
        trail=trail,
        replays=replays,
        masking=masking_of(home),
    )


def holdout_salt(keys: Path) -> bytes:
    """32 secret bytes that decide who is held out: made once, so that nobody moves between the two sets."""
    return read_private(keep_private(keys / _SALT_FILE, lambda: secrets.token_bytes(32)))


def split(records: Encoded, share: float, salt: bytes) -> tuple[Encoded, Encoded]:
    """Training and holdout: all records of a subject go to the same side.

    A subject is held out if HMAC-SHA256(salt, identifier) is among the lowest `share` of all values; where the
    catalogue names no subject the record's own cells and outcome take the identifier's place. Not its position: one
    record more or less in the file would move others across, and the guarantee is about one record.
    """
    held_out = _held_out(records, share, salt)
    return records.take(~held_out), records.take(held_out)


def _held_out(records: Encoded, share: float, salt: bytes) -> NDArray[np.bool_]:
    limit = int(share * 2**64)
    values = (hmac.digest(salt, name, sha256)[:8] for name in _names(records))
    return np.fromiter((int.from_bytes(value, "big") < limit for value in values), dtype=np.bool_, count=len(records))


def _names(records: Encoded) -> Iterator[bytes]:
    if records.subjects is not None:
        return (str(subject).encode() for subject in records.subjects)
    outcomes = np.zeros(len(records), np.uint8) if records.target is None else records.target
    return (row.tobytes() for row in np.column_stack([records.codes, outcomes]))


def serve(node: Node, socket: Path, monitor: Monitor | None = None) -> Served:
    """Listen on the Unix socket `socket`, readable and writable by this user alone."""
    with suppress(FileNotFoundError):
        socket.unlink()  # left by a process that was killed; its lock on the ledger went with it
    health = [] if monitor is None else [health_handler(lambda: monitor.health().ready, [_SERVICE.full_name])]
    return start([handlers(_SERVICE, NodeServicer(node)), *health], f"unix:{socket}", workers=1)


def main(arguments: list[str] | None = None) -> int:
    """0 after SIGTERM or SIGINT, UNUSABLE where a person must mend settings, catalogue, records or ledger, 1 where the
    ledger cannot be opened now.
    """
    parser = argparse.ArgumentParser(prog="fedscore-node", description="The node process of an institution.")
    parser.add_argument("home", type=Path)
    options = parser.parse_args(arguments)
    configure_process()
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # more gain nothing at these sizes, and a node shares its machine
    try:
        home = InstitutionHome.open(options.home)
        configure_process(home.logs / "node.jsonl")
        oversight = Oversight(home)
        ledger = open_ledger(home, oversight)
        since = changes(home)
        computation = open_computation(home)
        replays = open_replays(home, computation, ledger)
        node = open_node(home, ledger, oversight, computation, replays)
        with monitored(Process.NODE, home.path, home.name, home.settings.metrics) as monitor:
            observe(monitor, home, ledger, oversight)
            restart_on_change(home, since)
            return run(home, node, ledger, oversight, replays, monitor)
    except (FederationError, ProtocolError) as error:
        _log.error(_trouble(error), error=error)
        return UNUSABLE if isinstance(error, _FOR_GOOD) else 1


def run(
    home: InstitutionHome, node: Node, ledger: Ledger, oversight: Oversight, replays: LiveReplays, monitor: Monitor
) -> int:
    """Serve until SIGTERM or SIGINT, or until the log shows that the ledger is an old one (UNUSABLE).

    Raises ConfigurationError for a socket that cannot be bound.
    """
    stop = until_stopped()  # before anybody can know that it is up, and end it
    server = serve(node, home.socket, monitor)
    oversight.start(ledger, stop, {"replays": replays.follow})
    _log.info("node ready", institution=home.name, pid=os.getpid())
    warm_behind(stop, lambda: bool(home.allowed_bundles))
    attend_behind(home, stop)
    post_behind(home, stop)
    open_behind(home, stop)
    stop.wait()
    _log.info("node stopping", institution=home.name)
    server.close(grace=STOP_GRACE_S)
    with suppress(FileNotFoundError):
        home.socket.unlink()
    return 0 if oversight.failed is None else UNUSABLE


def _trouble(error: FederationError | ProtocolError) -> str:
    """What is wrong, in words that no value is part of; the error's own are for `fedscore institution` commands."""
    for kind, words in _TROUBLE.items():
        if isinstance(error, kind):
            return words
    return "home cannot be used"


if __name__ == "__main__":
    raise SystemExit(main())
