"""The querier's process: whole questions by the product's `Querier`, single reads of the pool, and load on its service.

It says what Epoch is open, then answers requests over a pipe: ("ask", indices) with one Reading a subject, ("read",
rows) with one Read a row, ("load", seconds) with the figures of `benchmarks.lookup.load`. None ends it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.lookup.deployment import PURPOSE
from benchmarks.lookup.population import identifier

if TYPE_CHECKING:
    from clients.institution.home import InstitutionHome
    from clients.institution.lookup.channel import PoolClient
    from clients.institution.lookup.open_epoch import OpenEpoch
    from clients.institution.lookup.querier import Querier

TIMEOUT_S = 60.0
_STEPS = 8


@dataclass(frozen=True)
class Reading:
    """What a question ended with: count, evidence and parts in eighths, or why there is no answer."""

    found: tuple[int, ...] | None
    reason: str = ""


@dataclass(frozen=True)
class Read:
    """One row read and verified: seconds, bytes of the messages, bits of noise budget (0: the engine has none)."""

    wall_s: float
    bytes_up: int
    bytes_down: int
    noise_budget: int


@dataclass(frozen=True)
class Epoch:
    """What is open: the shape of its table, bytes of the querier's evaluation keys and of the hint."""

    rows: int
    slots: int
    keys_bytes: int
    hint_bytes: int

    @classmethod
    def of(cls, epoch: OpenEpoch, pool: PoolClient) -> Epoch:
        from clients.institution.lookup.open_epoch import HINT_FILE

        client, geometry = epoch.client(pool), epoch.geometry
        hint = epoch.part.folder.read(HINT_FILE) or b""
        return cls(geometry.rows, geometry.slots, len(client.keys), len(hint))


def run(channel: Connection, home: Path) -> None:
    """Serve the harness until it says None."""
    from benchmarks.lookup import load
    from clients.institution.home import InstitutionHome
    from clients.institution.lookup.querier import Querier

    opened = InstitutionHome.open(home)
    with Querier.open(opened, timeout=TIMEOUT_S) as querier, _reader(opened) as (epoch, pool):
        querier.connect()
        channel.send(Epoch.of(epoch, pool))
        while (request := channel.recv()) is not None:
            match request:
                case ("ask", indices):
                    for reading in _ask(querier, indices):
                        channel.send(reading)
                case ("read", rows):
                    for row in rows:
                        channel.send(_read(epoch, pool, row))
                case ("load", seconds):
                    channel.send(load.measure(epoch, pool, seconds))


def _ask(querier: Querier, indices: list[int]) -> Iterator[Reading]:
    from clients.institution.lookup.questions import Question

    for answer in querier.ask_many(Question(identifier(index), PURPOSE) for index in indices):
        joint = answer.joint
        if joint is None:
            yield Reading(None, str(answer.outcome))
        else:
            values = [joint.evidence * _STEPS, *(part * _STEPS for part in joint.parts)]
            yield Reading((joint.count, *(int(value) for value in values)))


def _read(epoch: OpenEpoch, pool: PoolClient, row: int) -> Read:
    """One ciphertext to the pool and back, opened and verified: what a question does after its ticket."""
    from protocols.lookup.evidence import check_answer
    from protocols.lookup.rows import verify_row
    from protocols.wire import lookup_pb2 as wire

    client = epoch.client(pool)
    name = epoch.keys_name(client)
    pending, query = client.query(row)
    started = time.monotonic()
    [answer] = pool.query([query], name, timeout=TIMEOUT_S)
    wall_s = time.monotonic() - started
    check_answer(epoch.context.pool_key, epoch.context.epoch_id, name, query, answer.answer, answer.signature)
    noise = getattr(pending, "noise_budget", lambda answer: 0)(answer.answer)
    values, signatures = pending.open(answer.answer)
    verify_row(epoch.context.epoch_id, row, values, signatures, epoch.auditors)
    asked = wire.QueryRequest(epoch_id=epoch.context.epoch_id, keys_hash=name, queries=[query])
    return Read(wall_s, asked.ByteSize(), wire.QueryReply(answers=[answer]).ByteSize(), noise)


@contextmanager
def _reader(home: InstitutionHome) -> Iterator[tuple[OpenEpoch, PoolClient]]:
    """The open epoch and its pool, apart from any question."""
    from clients.institution.lookup.channel import RelayClient
    from clients.institution.lookup.epoch_record import EpochRecord
    from clients.institution.lookup.open_epoch import OpenEpoch
    from clients.institution.lookup.part import Part, no_snapshot

    with RelayClient(home) as relay:
        record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
        epoch = OpenEpoch.current(Part(home, relay, record, no_snapshot))
        with epoch.pool(patience=5.0) as pool:
            yield epoch, pool
