"""What the relay's services share: the record, the log, blobs, duties, keys; and how a step is recorded.

    relay.submit("bank-a", envelope)          # a member's step, checked
    relay.say(counter, "roster", document)    # the relay's own

Every step is in the transparency log before it is in the record, so nothing that members act on is unlogged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from google.protobuf.message import DecodeError, Message

from federation.errors import Refused
from federation.runtime.logging import get_logger
from protocols.canonical import canonical, parse_canonical
from protocols.envelope import open_envelope, seal
from protocols.errors import MessageError
from protocols.lookup.bound import MAX_STEP_BYTES
from protocols.lookup.context import EpochContext
from protocols.lookup.manifest import SignedEpoch
from protocols.lookup.roster import Roster
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import VerifierKey
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope
from server.log import LogStore
from server.lookup.blob_store import BlobStore
from server.lookup.duties import Duties
from server.lookup.epochs import RELAY, Code
from server.lookup.folders import LookupFolders
from server.lookup.record_store import EpochRecord, RecordStore, Said

LOG_KIND = "lookup-step"
LOOK_S = 0.25  # how often what another process recorded is looked for
_log = get_logger("relay")
M = TypeVar("M", bound=Message)


class Check(Protocol):
    """Looks at the content of a member's step. Raises what is wrong with it."""

    def __call__(self, relay: Relay, record: EpochRecord, party: str, kind: str, body: Any) -> None: ...


@dataclass
class Relay:
    """One per process. `check` sees the content of members' steps; `now` is Unix time in seconds."""

    record: RecordStore
    blobs: BlobStore
    folders: LookupFolders
    duties: Duties
    log: LogStore
    key: SigningKey
    check: Check
    random: Callable[[int], bytes]
    now: Callable[[], float]
    log_key: VerifierKey
    pool_key: VerifyingKey
    pool_address: str
    changed: threading.Condition = field(default_factory=threading.Condition)

    def submit(self, caller: str, envelope: Envelope) -> int:
        """Record a step of the member `caller`; its sequence. Raises Refused or ProtocolError."""
        claimed = claimed_in(envelope, wire.Step)
        record = self.record.epoch(claimed.counter)
        data = envelope.SerializeToString(deterministic=True)
        step = open_envelope(data, wire.Step, member_key(record, caller))
        if step.party != caller:
            raise Refused(Code.NOT_EXPECTED, "step.party", got=step.party, expected=caller)
        if len(step.body) > MAX_STEP_BYTES:
            raise Refused(Code.INVALID, "step.body", got=f"{len(step.body)} bytes", expected=MAX_STEP_BYTES)
        body = parse_canonical(step.body)
        said = Said(step.kind, caller, data)
        return self._record(claimed.counter, said, lambda at: self.check(self, at, caller, step.kind, body))

    def say(self, counter: int, kind: str, body: Mapping[str, Any] | bytes, *, party: str = RELAY) -> int:
        """Record the relay's own step; `party` differs for what it says of a member that left."""
        return self._record(counter, own_step(self.key, counter, kind, body, party=party), lambda _: None)

    def context(self, epoch_id: bytes) -> EpochContext:
        """The open epoch of this id. Raises Refused if there is none, or it is closing."""
        current = self.record.current()
        if current is None or not current.state.opened:
            raise Refused(Code.TOO_EARLY, "epoch", got="none that is open", expected="an open epoch")
        if current.state.closing:
            raise Refused(Code.CLOSED, "epoch", got="one that is closing", expected="an open epoch")
        context = context_of(current)
        if context.epoch_id != epoch_id:
            raise Refused(Code.UNKNOWN, "epoch_id", got=epoch_id.hex()[:16], expected=context.epoch_id.hex()[:16])
        return context

    def serves(self, epoch_id: bytes) -> bool:
        """Whether the epoch of this id is open."""
        try:
            self.context(epoch_id)
        except Refused:
            return False
        return True

    def wait_for_news(self, seen: tuple[int, int], until: float, *, wanted: Callable[[], bool]) -> None:
        """Return when the record is no longer at `seen`, at `until` (monotonic), or when nobody wants it any more."""
        while self.record.position() == seen and (left := until - time.monotonic()) > 0 and wanted():
            with self.changed:
                self.changed.wait(min(left, LOOK_S))

    def _record(self, counter: int, said: Said, check: Callable[[EpochRecord], None]) -> int:
        def checked(record: EpochRecord) -> None:
            check(record)
            self.log.append(LOG_KIND, log_body(counter, said))

        sequence, new = self.record.append(counter, said, check=checked)
        if new:
            _log.info("step recorded", kind=said.kind, institution=said.party, round=counter)
            with self.changed:
                self.changed.notify_all()
        return sequence


def claimed_in(envelope: Envelope, kind: type[M]) -> M:
    """What an envelope says, NOT yet verified: it tells under whose key to verify. Raises MessageError."""
    message = kind()
    try:
        message.ParseFromString(envelope.body)
    except DecodeError as error:
        raise MessageError("envelope.body", got="unreadable bytes", expected=kind.DESCRIPTOR.name) from error
    return message


def own_step(key: SigningKey, counter: int, kind: str, body: Mapping[str, Any] | bytes, *, party: str = RELAY) -> Said:
    """A step of the relay or the pool, signed with its key."""
    data = body if isinstance(body, bytes) else canonical(body)
    return Said(kind, party, seal(wire.Step(counter=counter, kind=kind, party=party, body=data), key))


def log_body(counter: int, said: Said) -> bytes:
    """What the log holds of a step: all of it."""
    return canonical({"counter": counter, "kind": said.kind, "party": said.party, "envelope": said.envelope.hex()})


def member_key(record: EpochRecord, institution: str) -> VerifyingKey:
    """The signing key of a member of this epoch. Raises Refused for a stranger."""
    member = record.proposal["members"].get(institution)
    if member is None:
        raise Refused(Code.NOT_EXPECTED, "institution", got=institution, expected="a member of this epoch")
    return VerifyingKey.from_hex(member["key"])


def roster_of(record: EpochRecord) -> Roster:
    """The epoch's roster. Raises Refused before it is recorded."""
    return _roster(record.bytes_of("roster"))


def context_of(record: EpochRecord) -> EpochContext:
    """The epoch as all members signed it; the signatures were verified when they came. Raises Refused before."""
    return _context(record.bytes_of("roster"), record.bytes_of("epoch"))


def evaluated_by(statements: Sequence[wire.Statement]) -> dict[str, bytes]:
    """Documents by institution."""
    return {statement.institution: statement.document for statement in statements}


@lru_cache(maxsize=4)
def _roster(data: bytes) -> Roster:
    return Roster.decode(data)


@lru_cache(maxsize=4)
def _context(roster: bytes, signed: bytes) -> EpochContext:
    return EpochContext.of(_roster(roster), SignedEpoch.decode(signed))
