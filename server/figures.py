"""What the coordinator's own processes show of themselves. Institutions and phases by name; of a question, nothing."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from federation.observability import metrics
from federation.observability.health import silence
from federation.observability.monitor import Monitor
from federation.runtime.database import open_engine
from federation.runtime.pki import load_certificate
from protocols.signing import VerifyingKey
from protocols.transparency import WitnessVerifier
from server import superlink
from server.home import CoordinatorHome
from server.log.hosting import HostedLog
from server.log.log_host import LogHost, Which
from server.log.standing import standing
from server.lookup.epochs import POOL, RELAY, Phase
from server.lookup.folders import LookupFolders
from server.lookup.pool import Pool
from server.lookup.record_store import RecordStore
from server.lookup.relay import Relay
from server.membership import State
from server.membership_store import MembershipStore

LOG_SILENCE_S = 30.0  # ten times a second it looks
_STUCK = "a step of the epoch fails, see coordinator epoch status"


def observe_membership(
    monitor: Monitor, home: CoordinatorHome, members: MembershipStore, log: HostedLog, relay: Relay
) -> None:
    """Have `monitor` show the membership process: members, log and relay."""
    engine, trouble = open_engine(home.database_url), LookupFolders(home.path).trouble(RELAY)
    monitor.part("log", silence("log", LOG_SILENCE_S, "the log publishes no checkpoint"), vital=True)
    monitor.part("relay", lambda: _STUCK if trouble.exists() else None)
    monitor.part("superlink", lambda: None if superlink.serves(home) else "the superlink does not answer")
    monitor.part("certificate", lambda: None if expiry(home) > time.time() else "the certificate has ended")
    monitor.read("members", lambda: _members(members))
    monitor.read("log", lambda: _log(engine, log.host))
    monitor.read("epoch", lambda: _epoch(relay.record))
    monitor.read("relay", lambda: metrics.put_all("fedscore_relay_tasks", "institution", relay.duties.unfinished()))
    monitor.read("certificate", lambda: metrics.put("fedscore_certificate_expires_timestamp_seconds", expiry(home)))


def observe_pool(monitor: Monitor, pool: Pool) -> None:
    """Have `monitor` show the pool."""
    trouble = pool.folders.trouble(POOL)
    monitor.part("epoch", lambda: _STUCK if trouble.exists() else None)
    monitor.part("scan", lambda: _scan(pool))
    monitor.read("epoch", lambda: _epoch(pool.record))
    monitor.read("scan", lambda: _queue(pool))


def _members(members: MembershipStore) -> None:
    known = [str(member.state) for member in members.all()]
    metrics.put_all("fedscore_members", "state", {state: float(known.count(state)) for state in State})


def _log(engine: Engine, host: LogHost) -> None:
    now = standing(engine)
    metrics.put("fedscore_log_entries", now.entries)
    metrics.put("fedscore_log_checkpoint_entries", now.checkpoint)
    if now.published_at is not None:
        metrics.put("fedscore_log_checkpoint_timestamp_seconds", now.published_at)
    metrics.put("fedscore_log_cosigned_entries", max(0, host.size_of(Which.COSIGNED)))
    said = {party: float(now.cosigned_at.get(name, 0)) for party, name in _witnesses(host).items()}
    metrics.put_all("fedscore_log_witness_timestamp_seconds", "institution", said)


def _witnesses(host: LogHost) -> dict[str, str]:
    """Party -> the name of its witness key."""
    roster = host.roster()
    keys = {name: member.witness_key for name, member in roster.members.items() if member.witness_key}
    if roster.regulator is not None:
        keys[roster.regulator.name] = roster.regulator.witness_key
    return {party: WitnessVerifier.of(VerifyingKey.from_hex(key)).name for party, key in keys.items()}


def _epoch(store: RecordStore) -> None:
    record = store.current()
    metrics.put("fedscore_epoch_counter", 0 if record is None else record.counter)
    phase = "none" if record is None else str(record.state.phase)
    metrics.put_all("fedscore_epoch_phase", "phase", {each: float(each == phase) for each in ("none", *Phase)})
    waiting = () if record is None else record.state.waiting
    metrics.put_all("fedscore_epoch_waiting", "institution", {wait.party: 1.0 for wait in waiting})


def _scan(pool: Pool) -> str | None:
    record = pool.record.current()
    if record is None or not record.state.opened or record.state.closing or pool.scanner is not None:
        return None
    return "the scan is not ready"


def _queue(pool: Pool) -> None:
    scanner = pool.scanner
    metrics.put("fedscore_scan_ready", float(scanner is not None))
    metrics.put("fedscore_scan_waiting", 0 if scanner is None else scanner.waiting)


def expiry(home: CoordinatorHome) -> float:
    """When the server certificate ends (Unix time, s)."""
    return load_certificate((home.keys / "tls.crt").read_bytes()).not_valid_after_utc.timestamp()
