"""How an epoch begins and when it may: the operator's decision, at the coordinator's own machine.

    record = open_epoch(record_store, folders, key, members, terms, now)
    close_epoch(record_store, log, key, "operator")

There are no emergency epochs: an epoch that opened lasts its cadence, and the next opens a cadence after it did. A
relay that could call one at any time would take one member out and read its records as a difference. Members enforce
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from federation.errors import Refused
from protocols.canonical import canonical
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from protocols.signing import SigningKey
from server.lookup.epochs import RELAY, Code
from server.lookup.record_store import EpochRecord, RecordStore, Said
from server.lookup.relay import context_of, own_step

_ROSTER = ("members", "parameters", "log_key", "coordinator_key", "oversight", "authorities")


@dataclass(frozen=True)
class Candidate:
    """A member as it stands in a proposal: its key, and how many customers it attests."""

    institution: str
    key: str
    customers: int


@dataclass(frozen=True)
class Terms:
    """What an epoch is to be: parameters, hashes of catalogue and model (hexadecimal), keys, auditors.

    `authorities`: keys of identity authorities by name; where there is one, every question needs consent.
    """

    parameters: Parameters
    catalogue: str
    model: str
    log_key: str
    pool_key: str
    oversight: str = ""
    auditors: tuple[str, ...] = ()
    authorities: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


Logged = Callable[[int, Said], None]


def open_epoch(
    store: RecordStore, key: SigningKey, members: Sequence[Candidate], terms: Terms, now: float, log: Logged
) -> EpochRecord:
    """Record the proposal of the next epoch, logged first.

    Raises Refused: one is under way, or it is too early; MessageError or SignatureError for a key that is none.
    """

    def proposal(last: EpochRecord | None) -> Said:
        counter = 1 if last is None else last.counter + 1
        if last is not None and last.state.phase != "closed":
            raise Refused(Code.CONFLICT, "epoch", got=f"epoch {last.counter} is {last.state.phase}", expected="closed")
        due = earliest(store)
        if now < due:
            expected = f"{_utc(due)} or later: no emergency epochs"
            raise Refused(Code.TOO_EARLY, "cadence", got=_utc(now), expected=expected)
        body = _body(key, members, terms, counter)
        roster_fingerprint(body)  # what no member could compare, no member can approve
        body["new_keys"] = last is None or any(body[name] != last.proposal[name] for name in _ROSTER)
        if last is not None and not last.state.has("roster"):
            body["new_keys"] = True  # its ceremony was not finished
        said = own_step(key, counter, "propose", canonical(body))
        log(counter, said)
        return said

    return store.propose(proposal)


def earliest(store: RecordStore) -> int:
    """When the next epoch may open (Unix, s): a cadence after the last one that opened, and not while that is due."""
    for record in store.all():
        if record.state.opened:
            context = context_of(record)
            epoch = context.signed.epoch
            return max(epoch.opens_at + context.parameters.cadence_s, epoch.closes_at)
    return 0


def roster_before(store: RecordStore, counter: int) -> bytes:
    """The roster document of the last epoch before `counter`. Raises Refused if there is none."""
    for record in store.all():
        if record.counter < counter and record.state.has("roster"):
            return record.bytes_of("roster")
    raise Refused(Code.UNKNOWN, "roster", got="none before", expected="one of an earlier epoch")


def close_epoch(store: RecordStore, key: SigningKey, reason: str, log: Logged) -> EpochRecord:
    """Say `close`. Raises Refused if there is no epoch, or it is closing already."""
    record = store.current()
    if record is None:
        raise Refused(Code.UNKNOWN, "epoch", got="none", expected="one that was opened")
    if record.state.closing:
        raise Refused(Code.CLOSED, "epoch", got=f"epoch {record.counter} is {record.state.phase}", expected="another")
    said = own_step(key, record.counter, "close", {"reason": reason})
    store.append(record.counter, said, check=lambda at: log(at.counter, said))
    return store.epoch(record.counter)


def _body(key: SigningKey, members: Sequence[Candidate], terms: Terms, counter: int) -> dict[str, Any]:
    named: Mapping[str, Any] = {
        member.institution: {"key": member.key, "customers": member.customers}
        for member in sorted(members, key=lambda member: member.institution)
    }
    least = terms.parameters.minimum_members
    if len(named) < least or {RELAY, "pool"} & set(named):
        raise Refused(Code.INVALID, "members", got=f"{len(named)} members", expected=f"{least} or more: see the roster")
    auditors = tuple(sorted(terms.auditors)) or _rotated(tuple(named), terms.parameters.quorum, counter)
    if len(auditors) != terms.parameters.quorum or not set(auditors) <= set(named):
        raise Refused(Code.INVALID, "auditors", got=len(auditors), expected=f"{terms.parameters.quorum} members")
    return {
        "version": 1,
        "members": named,
        "auditors": list(auditors),
        "catalogue": terms.catalogue,
        "model": terms.model,
        "parameters": terms.parameters.to_json(),
        "log_key": terms.log_key,
        "pool_key": terms.pool_key,
        "coordinator_key": key.public.hex,
        "oversight": terms.oversight,
        "authorities": dict(terms.authorities),
    }


def _utc(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _rotated(names: tuple[str, ...], quorum: int, counter: int) -> tuple[str, ...]:
    """Everybody's turn comes: `quorum` members, from where the last epoch's ended."""
    first = (counter - 1) * quorum
    return tuple(sorted(names[(first + place) % len(names)] for place in range(quorum)))
