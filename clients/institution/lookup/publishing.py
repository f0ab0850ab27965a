"""An institution's part in an epoch, from the key ceremony until it is open: whatever the record says it owes.

    outcome = publish(part, wait=True, ...)

The record is the only state: a process that was killed reads it again and goes on. What a step needs and cannot be
computed again (key shares, secrets, the snapshot) is on disk before the step is said.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clients.institution.lookup import auditing, building, closing, joining, judging, signing
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.epoch_record import POOL, RELAY, EpochRecord
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.part import Part
from clients.institution.lookup.roster_approval import RosterNotApproved
from federation.errors import ConfigurationError, Refused
from federation.runtime.logging import get_logger
from federation.runtime.rpc import Unreachable
from protocols.canonical import canonical
from protocols.wire import lookup_pb2 as wire

STEPS: dict[str, Callable[[Part], dict[str, Any]]] = {
    "commit": joining.commit,
    "reveal": joining.reveal,
    "enrolled": joining.enrolled,
    "secrets": joining.secrets,
    "report": joining.report,
    "sign": signing.sign,
    "table": building.table,
    "dummies": building.dummies,
    "rows": auditing.rows,
    "opening": auditing.opening,
    "evaluated": closing.evaluated,
    "handovers": closing.handovers,
    "verdicts": judging.verdicts,
    "erased": closing.erased,
}
LONGEST_WAIT_MS = 15_000
NEXT_EPOCH_S = 1.0
_log = get_logger("lookup")


@dataclass(frozen=True)
class Published:
    """Where an epoch stands for this institution, and who holds it up."""

    counter: int
    phase: str
    said: tuple[str, ...]
    waiting: tuple[tuple[str, str], ...]
    seconds: float
    unapproved: RosterNotApproved | None = None

    @property
    def open(self) -> bool:
        return self.phase == "open"

    def to_json(self) -> dict[str, Any]:
        waiting = [{"party": party, "step": step} for party, step in self.waiting]
        return {
            "epoch": self.counter,
            "phase": self.phase,
            "said": list(self.said),
            "waiting": waiting,
            "seconds": round(self.seconds, 3),
            "unapproved": None if self.unapproved is None else self.unapproved.fingerprint,
        }


def publish(
    part: Part,
    *,
    wait: bool,
    timeout: float,
    until: tuple[str, ...] = ("open", "closed"),
    approve: str = "",
    on_unapproved: Callable[[RosterNotApproved], None] = lambda reason: None,
    on_waiting: Callable[[str], None] = lambda what: None,
) -> Published:
    """Say whatever this institution owes until the epoch is in one of the phases `until`.

    Nothing is said under a roster that nobody here approved: `on_unapproved` hears of it once, and with `wait` this
    waits for `fedscore institution lookup approve`. `approve` is the fingerprint that people compared beforehand.
    `on_waiting` hears what every wait that brought nothing new is for, in words.
    Without `wait`: until nothing is owed at this moment. Raises what a step raises, ConfigurationError where this
    institution is no member of the epoch, or where `approve` is not the proposal's fingerprint. With `wait`, returns
    after `timeout` seconds whatever the phase is, and asks again until then whoever does not answer (Unreachable else).
    """
    started = time.monotonic()
    said: list[str] = []
    with alone(part.folders, on_waiting):
        pause, unapproved = 0, None
        while True:
            before, over = part.record.sequence, time.monotonic() - started
            try:
                refresh(part, pause)
                if pause and part.record.sequence == before and part.record.waiting:
                    on_waiting(_held_up(part.record))
                if approve and part.record.has("propose", RELAY):
                    part.folders.approval.approve(part.record.body("propose", RELAY), approve, part.clock())
                    approve = ""
                over = time.monotonic() - started
                kinds = say_what_is_owed(part)
            except Unreachable as error:  # a coordinator that is away for an hour of the night
                if not wait or over > timeout:
                    raise
                _ask_again(error, on_waiting)
                continue
            except RosterNotApproved as reason:
                if unapproved is None:
                    on_unapproved(reason)
                unapproved = reason
                if not wait or over > timeout:
                    return _outcome(part, said, over, unapproved)
                time.sleep(min(NEXT_EPOCH_S, timeout))
                pause = 0
                continue
            unapproved = None
            said += kinds
            done = part.record.phase in until or (not wait and not kinds) or over > timeout
            if done and not kinds:
                return _outcome(part, said, over, None)
            pause = 0 if kinds else int(max(0, min(LONGEST_WAIT_MS, 1000 * (timeout - over))))


def _ask_again(error: Unreachable, on_waiting: Callable[[str], None]) -> None:
    on_waiting(f"no answer to {error.where} ({error.got}): asking again")
    time.sleep(NEXT_EPOCH_S)


def _held_up(record: EpochRecord) -> str:
    parties = ", ".join(f"{party}: {step}" for party, step in record.waiting)
    return f"epoch {record.counter}: {record.phase}, waiting for {parties}"


def _outcome(part: Part, said: list[str], seconds: float, unapproved: RosterNotApproved | None) -> Published:
    record = part.record
    return Published(record.counter, record.phase, tuple(said), record.waiting, seconds, unapproved)


def wait_for_epoch(relay: RelayClient, timeout: float, on_waiting: Callable[[str], None] = lambda what: None) -> None:
    """Return when there is an epoch that is not over, or after `timeout` seconds. Raises Unreachable then."""
    end = time.monotonic() + timeout
    while True:
        try:
            view = relay.view()
        except Unreachable as error:
            if time.monotonic() > end:
                raise
            _ask_again(error, on_waiting)
            continue
        if (view.counter and view.phase != "closed") or (left := end - time.monotonic()) <= 0:
            return
        on_waiting("waiting for the coordinator to open an epoch")
        time.sleep(min(NEXT_EPOCH_S, left))


def refresh(part: Part, wait_ms: int = 0) -> None:
    """Bring the record up to date; waits for news up to `wait_ms`."""
    record = part.record
    view = part.relay.view(record.counter, after=record.sequence, wait_ms=wait_ms)
    if not view.counter:
        return
    record.take(view)
    while view.more:
        view = part.relay.view(record.counter, after=record.sequence)
        record.take(view)
    if not record.takes_part:
        raise ConfigurationError("epoch", got=f"no place for {part.institution}", expected="a member of the epoch")


def say_what_is_owed(part: Part) -> tuple[str, ...]:
    """Do and say what the record says is owed now; the kinds that were said."""
    said = []
    record = part.record
    for kind in record.owed:
        if record.has(kind, part.institution):
            continue
        if kind not in STEPS:
            raise ConfigurationError("epoch", got=f"a step {kind} owed", expected="a step this version knows")
        _log.info("step begins", kind=kind, round=record.counter)
        try:
            body = STEPS[kind](part)
            part.relay.submit(
                wire.Step(counter=record.counter, kind=kind, party=part.institution, body=canonical(body))
            )
        except Refused:
            refresh(part)
            if not record.has(
                kind, part.institution
            ):  # else an earlier process said it, killed while it was on the way
                raise
        _log.info("step said", kind=kind, round=record.counter)
        if kind == "erased":
            closing.forget(part)
        said.append(kind)
    if _owes_its_table(part):
        building.hand_over_table(part)
        part.table_delivered = True
    return tuple(said)


def _owes_its_table(part: Part) -> bool:
    """The digest is said, the pool runs, and has not said that it holds all tables."""
    record = part.record
    said = record.phase == "tables" and record.has("table", part.institution) and not record.has("stored", POOL)
    return said and bool(record.pool_address) and not part.table_delivered


@contextmanager
def alone(folders: LookupFolders, on_waiting: Callable[[str], None] = lambda what: None) -> Iterator[None]:
    """One process of an institution at a time takes steps; another one waits here."""
    descriptor = os.open(folders.path / "publish.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_waiting("waiting for another process of this home that takes part in the epoch")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
