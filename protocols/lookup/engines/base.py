"""What every engine of the private score query offers.

An engine answers "give me row r of this public table" without the party that answers learning r. It hides the index
and nothing else: the table may be known to both sides, its records are padded by other means (`protocols.lookup.pads`).

    pool, auditors      prepared = engine.prepare(rows, epoch_id)      once per epoch; prepared.hint is signed
    querier             client = engine.client(geometry, epoch_id, hint, random)
                        pending, query = client.query(row)
    pool                [answer] = prepared.answer([query], client.keys)
    querier             values, signatures = pending.open(answer)

Everything but `client` is deterministic, so an auditor that holds the same rows recomputes hint and answers byte for
byte. Messages of one engine and geometry have one size, whatever the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from protocols.errors import MessageError
from protocols.lookup.rows import SIGNATURE_BYTES, Rows

Random = Callable[[int], bytes]  # n -> n unpredictable bytes
MAX_ROWS = 2**31
MAX_SLOTS = 2**20
MAX_QUORUM = 64


@dataclass(frozen=True)
class Geometry:
    """The shape of an epoch's table: `rows` rows of `slots` records and `quorum` auditors' signatures each."""

    rows: int
    slots: int
    quorum: int

    def __post_init__(self) -> None:
        for name, limit in (("rows", MAX_ROWS), ("slots", MAX_SLOTS), ("quorum", MAX_QUORUM)):
            value = getattr(self, name)
            if not 1 <= value <= limit:
                raise MessageError(f"geometry.{name}", got=value, expected=f"1 to {limit}")

    @property
    def signature_bytes(self) -> int:
        """Bytes of the signatures of one row."""
        return self.quorum * SIGNATURE_BYTES


class Pending(Protocol):
    """A query under way; holds what opens its answer, once. Never serialised."""

    def open(self, answer: bytes) -> tuple[npt.NDArray[np.uint32], bytes]:
        """The row's values, uint32[slots, 8] below MODULUS or not as the answer says, and its quorum * 64 signature
        bytes; both to be verified by `protocols.lookup.rows.verify_row`.

        Raises MessageError for an answer of the wrong size or of a form no table has (treat it as a signature that
        fails), StageError when opened before.
        """
        ...


class Client(Protocol):
    """The querier's side of one epoch."""

    @property
    def keys(self) -> bytes:
        """Public evaluation keys the pool needs beside each query; b"" where there are none."""
        ...

    def save(self) -> bytes | None:
        """Secret state worth keeping in the epoch's private file, or None: secrets that serve once are never kept."""
        ...

    def prepare(self, queries: int) -> None:
        """Do ahead of time what no row decides, so that `queries` calls of `query` are quick; cheaper in numbers."""
        ...

    def query(self, row: int) -> tuple[Pending, bytes]:
        """A fresh query for `row`. Raises MessageError for a row outside the geometry."""
        ...


class Prepared(Protocol):
    """The table of one epoch, ready to answer."""

    @property
    def hint(self) -> bytes:
        """Public and deterministic; its digest is signed by the auditors. b"" where the engine needs none."""
        ...

    def answer(self, queries: Sequence[bytes], keys: bytes | None) -> list[bytes]:
        """One answer per query, deterministic. Raises MessageError for queries or keys that are not in order."""
        ...


class Engine(Protocol):
    """One way to read a row privately."""

    @property
    def name(self) -> str:
        """The name under which a manifest asks for this engine."""
        ...

    def geometry(self, subjects: int, quorum: int) -> Geometry:
        """The shape this engine gives a table of `subjects` (dummies included) and `quorum` signatures a row."""
        ...

    def prepare(self, rows: Rows, epoch_id: bytes) -> Prepared:
        """The table made ready; deterministic. Raises MessageError for rows the engine cannot answer from."""
        ...

    def client(
        self, geometry: Geometry, epoch_id: bytes, hint: bytes, random: Random, saved: bytes | None = None
    ) -> Client:
        """The querier's side. `hint` is verified against the auditors' signatures by the caller; `saved` is what
        `Client.save` returned earlier in this epoch. Raises MessageError for a hint or state of another geometry."""
        ...


def check_epoch_id(epoch_id: bytes) -> bytes:
    """`epoch_id` if it is a 32-byte digest. Raises MessageError otherwise."""
    if len(epoch_id) != 32:
        raise MessageError("epoch_id", got=f"{len(epoch_id)} bytes", expected="32 bytes")
    return epoch_id


def check_subjects(subjects: int) -> int:
    """`subjects` if there is one. Raises MessageError otherwise."""
    if subjects < 1:
        raise MessageError("subjects", got=subjects, expected="one or more")
    return subjects


def check_row(row: int, geometry: Geometry) -> int:
    """`row` if `geometry` has it. Raises MessageError otherwise, without showing the row."""
    if not 0 <= row < geometry.rows:
        raise MessageError("query.row", got="a row outside the table", expected=f"0 to {geometry.rows - 1}")
    return row
