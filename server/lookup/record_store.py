"""The record of epochs in the coordinator's database: append-only, read by the relay, the pool and the command line.

    record = RecordStore.open(home.database_url)
    current = record.current()                                # None before the first epoch
    sequence = record.append(1, Said("table", "bank-a", envelope))

A step is appended in one exclusive transaction in which the state machine (`server.lookup.epochs`) agrees to it, so
that two processes can never record what contradicts. The same bytes again have the sequence they had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select

from federation.errors import Refused
from federation.runtime.database import migrate, open_engine, reading, writing
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope
from server.lookup.epochs import RELAY, Code, Epoch, Parties
from server.lookup.record_tables import steps

_LOCK = "lookup"
_KEPT = 2  # epochs in memory


@dataclass(frozen=True)
class Said:
    """A step: what kind, by whom, in which envelope (bytes of a signed `Step`)."""

    kind: str
    party: str
    envelope: bytes = field(repr=False)

    @property
    def hash(self) -> str:
        return sha256(self.envelope).hexdigest()

    @property
    def body(self) -> bytes:
        """The statement itself; verified before it was recorded."""
        return wire.Step.FromString(Envelope.FromString(self.envelope).body).body

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class EpochRecord:
    """One epoch as recorded: its number, its state, and its steps in order."""

    counter: int
    state: Epoch
    steps: tuple[Said, ...] = field(repr=False)

    def body(self, kind: str, party: str = RELAY) -> Any:
        """The statement `kind` of `party` as JSON. Raises Refused if it is not there yet."""
        return json.loads(self.bytes_of(kind, party))

    def bytes_of(self, kind: str, party: str = RELAY) -> bytes:
        """As `body`, the bytes."""
        for said in self.steps:
            if (said.kind, said.party) == (kind, party):
                return said.body
        raise Refused(Code.TOO_EARLY, kind, got="none yet", expected=f"one from {party}")

    def bodies(self, kind: str) -> Mapping[str, Any]:
        """Every party's statement `kind`, by party, sorted."""
        return dict(sorted((said.party, said.document) for said in self.steps if said.kind == kind))

    @property
    def proposal(self) -> Any:
        return self.body("propose")


class RecordStore:
    """Steps of every epoch. What was read stays read: the record only grows, so only what is new is read and folded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read: dict[int, EpochRecord] = {}

    @classmethod
    def open(cls, url: str) -> RecordStore:
        """Open and migrate. Raises ConfigurationError for a database that cannot be used."""
        engine = open_engine(url)
        migrate(engine, "server.lookup:migrations", version_table="lookup_version")
        return cls(engine)

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    def current(self) -> EpochRecord | None:
        """The last epoch; None before the first."""
        with reading(self._engine) as connection:
            counter = _last(connection)
            return self._record(connection, counter) if counter else None

    def epoch(self, counter: int) -> EpochRecord:
        """Raises Refused for a number that no epoch has."""
        if not 0 < counter < 2**53:  # what a database counts to
            raise Refused(Code.UNKNOWN, "epoch", got=counter, expected="an epoch that was opened")
        with reading(self._engine) as connection:
            return self._record(connection, counter)

    def all(self) -> Iterator[EpochRecord]:
        """Every epoch, the last one first."""
        with reading(self._engine) as connection:
            for counter in range(_last(connection), 0, -1):
                yield self._record(connection, counter)

    def position(self) -> tuple[int, int]:
        """(number of the last epoch, number of its steps): changes whenever anything is recorded; cheap."""
        with reading(self._engine) as connection:
            counter = _last(connection)
            return counter, _length(connection, counter)

    def propose(self, parties_of: Callable[[EpochRecord | None], Said]) -> EpochRecord:
        """Open the next epoch with the step that `parties_of` makes of the last one. Raises what it raises.

        The last epoch must be closed.
        """
        last = self.current()
        counter = 0 if last is None else last.counter
        said = parties_of(last)  # outside the transaction: it writes the log, in the same database
        with writing(self._engine, lock=_LOCK) as connection:
            if _last(connection) != counter:
                raise Refused(Code.CONFLICT, "epoch", got=f"epoch {counter + 1} already", expected="none yet")
            _insert(connection, counter + 1, 1, said)
        return self.epoch(counter + 1)

    def append(
        self, counter: int, said: Said, *, check: Callable[[EpochRecord], None] = lambda record: None
    ) -> tuple[int, bool]:
        """Record a step; its sequence, and whether it is new. Raises Refused (order, another one there already).

        `check` is asked about its content, outside the transaction: whatever it relies on is recorded and stays.
        """
        known = self._known(counter, said)
        if known is not None:
            return known, False
        record = self.epoch(counter)
        record.state.check(said.kind, said.party)
        check(record)
        with writing(self._engine, lock=_LOCK) as connection:
            there = _sequence(connection, counter, said)
            if there is not None:
                return there, False
            record = self._record(connection, counter, keep=False)
            record.state.after(said.kind, said.party)
            sequence = len(record.steps) + 1
            _insert(connection, counter, sequence, said)
        return sequence, True

    def _record(self, connection: Connection, counter: int, *, keep: bool = True) -> EpochRecord:
        """The epoch as of this transaction; kept if nothing that it writes could be rolled back."""
        known = self._read.get(counter)
        after = len(known.steps) if known is not None else 0
        query = select(steps).where((steps.c.counter == counter) & (steps.c.sequence > after))
        new = tuple(
            Said(row.kind, row.party, row.envelope) for row in connection.execute(query.order_by(steps.c.sequence))
        )
        if known is None and not new:
            raise Refused(Code.UNKNOWN, "epoch", got=counter, expected="an epoch that was opened")
        state = known.state if known is not None else Epoch(parties(new[0].document))
        record = EpochRecord(
            counter,
            state.replay((step.kind, step.party) for step in new),
            (*known.steps, *new) if known is not None else new,
        )
        if new and keep:
            self._read[counter] = record
            for old in sorted(self._read)[:-_KEPT]:
                del self._read[old]
        return record

    def _known(self, counter: int, said: Said) -> int | None:
        with reading(self._engine) as connection:
            return _sequence(connection, counter, said)


def _last(connection: Connection) -> int:
    return int(connection.execute(select(func.max(steps.c.counter))).scalar_one() or 0)


def _length(connection: Connection, counter: int) -> int:
    return int(connection.execute(select(func.count()).where(steps.c.counter == counter)).scalar_one())


def _sequence(connection: Connection, counter: int, said: Said) -> int | None:
    """Where these very bytes stand. Raises Refused if the party said this kind in other bytes."""
    mine = (steps.c.counter == counter) & (steps.c.kind == said.kind) & (steps.c.party == said.party)
    row = connection.execute(select(steps.c.sequence, steps.c.hash).where(mine)).one_or_none()
    if row is None:
        return None
    if row.hash != said.hash:
        raise Refused(Code.CONFLICT, "step", got=f"another {said.kind} from {said.party}", expected="the recorded one")
    return int(row.sequence)


def parties(proposal: Any) -> Parties:
    """Who takes part in the epoch of a `propose` step."""
    members = tuple(sorted(proposal["members"]))
    return Parties(members, tuple(proposal["auditors"]), new_keys=proposal["new_keys"])


def _insert(connection: Connection, counter: int, sequence: int, said: Said) -> None:
    values = {"counter": counter, "sequence": sequence, "kind": said.kind, "party": said.party}
    connection.execute(insert(steps).values(**values, hash=said.hash, envelope=said.envelope))
