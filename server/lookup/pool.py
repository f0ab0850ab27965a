"""What the pool does for an epoch: accept tables, add them up, prepare the scan, open, answer, erase.

    pool = Pool(record, blobs, folders, log, now, processes=2)
    pool.tick()                    # often; resumes from the record and the files, whatever was killed

Tables are checked against the logged digests when they are complete, and again when they are added up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from federation.errors import Refused
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from federation.runtime.processes import release_memory
from protocols.canonical import canonical
from protocols.errors import MessageError
from protocols.lookup.audit import hint_digest
from protocols.lookup.context import EpochContext
from protocols.lookup.manifest import Opening
from protocols.lookup.rows import signatures_digest
from protocols.lookup.table import sum_digest
from protocols.signing import SigningKey
from server.log import LogStore
from server.lookup.blob_store import BlobStore
from server.lookup.epochs import POOL, Code, Phase
from server.lookup.folders import LookupFolders
from server.lookup.pool_files import PoolFiles, check_part, table_bytes
from server.lookup.record_store import EpochRecord, RecordStore
from server.lookup.relay import LOG_KIND, context_of, log_body, own_step
from server.lookup.scan_worker import Plan
from server.lookup.scanner import Scanner

_SEEN_S = 1.0
_log = get_logger("pool")


@dataclass(frozen=True)
class _Seen:
    """An open epoch as it was recorded `at` (of the monotonic clock)."""

    at: float
    record: EpochRecord
    context: EpochContext


@dataclass
class Pool:
    """One per process. `key` signs answers and steps."""

    record: RecordStore
    blobs: BlobStore
    folders: LookupFolders
    log: LogStore
    key: SigningKey
    now: Callable[[], float]
    processes: int = 1
    scanner: Scanner | None = None
    _scanned: int = 0
    _seen: _Seen | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def tick(self) -> bool:
        """Do what is due; False once there is nothing left for a pool to do."""
        at, record = time.monotonic(), self.record.current()
        is_open = record is not None and record.state.opened and not record.state.closing
        self._seen = _Seen(at, record, context_of(record)) if record is not None and is_open else None
        if record is None or not record.state.has("epoch") or record.state.phase is Phase.CLOSED:
            return False
        if record.state.closing:
            self.stop()
        elif record.state.opened:
            self._ensure_scanner(record)
        for kind in record.state.owed(POOL):
            {"stored": self._stored, "open": self._open, "erased": self._erased}[kind](record)
            release_memory()
        return True

    def stop(self) -> None:
        """End the scan."""
        if self.scanner is not None:
            self.scanner.stop()
            self.scanner, self._scanned = None, 0

    def current(self, epoch_id: bytes) -> tuple[EpochRecord, EpochContext]:
        """The epoch of this id. Raises Refused for another one, or none.

        One that is open is returned as the last `tick` saw it, for a second: reading the record takes a millisecond of
        a process that was asleep, and an answer rests on nothing that was recorded since. Only `tick`, which erases,
        remembers: a call that read the record before the end and is late must not bring the epoch back.
        """
        seen = self._seen
        if seen is not None and seen.context.epoch_id == epoch_id and time.monotonic() - seen.at < _SEEN_S:
            return seen.record, seen.context
        record = self.record.current()
        if record is None or not record.state.has("epoch"):
            raise Refused(Code.TOO_EARLY, "epoch", got="none that is signed", expected="a signed epoch")
        context = context_of(record)
        if context.epoch_id != epoch_id:
            raise Refused(Code.UNKNOWN, "epoch_id", got=epoch_id.hex()[:16], expected=context.epoch_id.hex()[:16])
        return record, context

    def files(self, record: EpochRecord) -> PoolFiles:
        return PoolFiles(self.folders.pool(record.counter))

    def put(self, record: EpochRecord, context: EpochContext, institution: str, offset: int, part: bytes) -> int:
        """Take a part of a member's table; the bytes held. The whole must be what the member logged.

        Once all tables are stored, every part that comes again is held: its sender was killed, or the reply was lost.
        Raises Refused for a part that is none of a table, or once the epoch is closing.
        """
        if record.state.closing:
            raise Refused(Code.CLOSED, "epoch", got="one that is closing", expected="an open epoch")
        if record.state.has("stored", POOL):
            check_part(offset, part, table_bytes(context))
            return table_bytes(context)
        if record.state.phase is not Phase.TABLES or not record.state.has("table", institution):
            raise Refused(Code.TOO_EARLY, "table", got="a part", expected="the step `table` before it, and no other")
        logged = bytes.fromhex(record.body("table", institution)["digest"])
        files, size = self.files(record), table_bytes(context)
        with self._writing:
            held = files.receive(institution, offset, part, size)
            if held < size or files.table(institution).exists():
                return held
            try:
                drafted = files.drafted(institution, context.epoch_id)
            except MessageError:
                files.discard(institution)
                raise
            if drafted != logged:
                files.discard(institution)
                raise Refused(Code.CONFLICT, f"table of {institution}", got="another", expected="the logged one")
            files.accept(institution)
        _log.info("table stored", institution=institution, bytes=size)
        return size

    def _stored(self, record: EpochRecord) -> None:
        context, files = context_of(record), self.files(record)
        if not files.stored(context):
            return
        digests = {name: said["digest"] for name, said in record.bodies("table").items()}
        files.add_up(context, {name: bytes.fromhex(value) for name, value in digests.items()})
        self._say(record, "stored", {"tables": digests})

    def _open(self, record: EpochRecord) -> None:
        """Every auditor said the same opening: what is served must be exactly that."""
        context = context_of(record)
        plan, scanner = self._plan(record, context), self._ensure_scanner(record)
        values = (row for part in plan.parts() for row in part.values)
        signed_rows = np.concatenate([part.signatures for part in plan.parts()])
        said = record.bodies("opening")
        document = next(iter(said.values()))["opening"]
        opening = Opening.decode(canonical(document))
        for name, found, signed in (
            ("sum", sum_digest(context.epoch_id, values), opening.sum_digest),
            ("signatures", signatures_digest(context.epoch_id, signed_rows), opening.signatures_digest),
            ("hint", hint_digest(context.epoch_id, scanner.hint), opening.hint_digest),
        ):
            if found != signed:
                raise Refused(Code.PROOF, f"opening.{name}", got="another than the pool's", expected="the same")
        signatures = {name: body["signature"] for name, body in said.items()}
        self._say(record, "open", {"opening": document, "signatures": signatures})

    def _erased(self, record: EpochRecord) -> None:
        """Tables, sum and keys are gone; only then is it said."""
        self.stop()
        self.folders.erase_pool(record.counter)
        self._say(record, "erased", {"epoch": context_of(record).epoch_id.hex()})

    def _plan(self, record: EpochRecord, context: EpochContext) -> Plan:
        """What is to be served, written if it was not."""
        epoch, files = context.signed.epoch, self.files(record)
        if not files.rows_file.exists():
            signatures = {}
            for auditor in epoch.auditors:
                name = bytes.fromhex(record.body("rows", auditor)["signatures"])
                data = self.blobs.read(record.counter, auditor, name, size=64 * epoch.rows)
                signatures[auditor] = np.frombuffer(data, dtype=np.uint8).reshape(-1, 64)
            files.join(context, signatures)
        parameters = context.parameters
        return Plan(parameters.engine, context.epoch_id, files.rows_file, epoch.rows, epoch.slots, parameters.quorum)

    def _ensure_scanner(self, record: EpochRecord) -> Scanner:
        if self.scanner is not None and self._scanned == record.counter:
            return self.scanner
        self.stop()
        plan = self._plan(record, context_of(record))
        scanner = Scanner(plan, processes=self.processes)
        hint = scanner.start()
        write_public(self.files(record).hint_file, hint, mode=0o600)
        self.scanner, self._scanned = scanner, record.counter
        _log.info("scan ready", count=self.processes)
        return scanner

    def _say(self, record: EpochRecord, kind: str, body: dict[str, object]) -> None:
        said = own_step(self.key, record.counter, kind, body, party=POOL)
        self.record.append(
            record.counter,
            said,
            check=lambda at: _logged(self.log.append(LOG_KIND, log_body(at.counter, said))),
        )
        _log.info("step recorded", kind=kind, institution=POOL, round=record.counter)


def _logged(_promise: object) -> None:
    """The step is in the log."""
