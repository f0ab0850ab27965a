"""The pool's files of one epoch: tables as they come, their sum, the rows' signatures, evaluation keys.

    files = PoolFiles(folder)
    files.receive("bank-a", offset, part, size)        # in order; bytes held
    files.add_up(context, digests)                     # once all are there
    files.join(context, signatures)                    # rows_file is what is served

What is complete is moved to its name in one step, so a process that was killed finds whole files or drafts. Everything
is read and written in parts: the pool never holds a table, whatever its size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from federation.errors import Refused
from federation.runtime.private_files import private_directory, write_public
from protocols.errors import MessageError
from protocols.lookup.context import EpochContext
from protocols.lookup.packing import pack, unpack
from protocols.lookup.parameters import COEFFICIENTS, RECORD_BYTES
from protocols.lookup.rows import Rows, join_signatures
from protocols.lookup.table import TableHash, add_residues
from server.lookup.epochs import Code

PART_BYTES = 2**20
_RECORDS_AT_ONCE = 16384
_ROWS_AT_ONCE = 64


def table_bytes(context: EpochContext) -> int:
    """The size of every member's table, and of their sum."""
    epoch = context.signed.epoch
    return epoch.rows * epoch.slots * RECORD_BYTES


def check_part(offset: int, part: bytes, size: int) -> None:
    """Raises Refused for what is no part of a table of `size` bytes."""
    if not 0 < len(part) <= PART_BYTES or offset + len(part) > size:
        raise Refused(Code.INVALID, "part", got=f"{len(part)} bytes", expected=f"1 to {PART_BYTES} of the table")


@dataclass(frozen=True)
class PoolFiles:
    """Everything is below `folder` and goes with it."""

    folder: Path

    def receive(self, institution: str, offset: int, part: bytes, size: int) -> int:
        """Take a part of a table; the bytes held. A part that is not the next one changes nothing."""
        check_part(offset, part, size)
        if self.table(institution).exists():
            return size
        draft = self._draft(institution)
        held = draft.stat().st_size if draft.exists() else 0
        if offset != held:
            return held
        with draft.open("ab") as file:
            file.write(part)
        return held + len(part)

    def drafted(self, institution: str, epoch_id: bytes) -> bytes:
        """The digest of what was received of a table that is not accepted yet. Raises MessageError for no records."""
        state, at_once = TableHash(epoch_id, institution), _RECORDS_AT_ONCE * RECORD_BYTES
        with self._draft(institution).open("rb") as file:
            first = 0
            while packed := file.read(at_once):
                unpack(packed, _table_of(institution), first)
                state.update(packed)
                first += _RECORDS_AT_ONCE
        return state.digest()

    def accept(self, institution: str) -> None:
        """The draft is the member's table."""
        draft = self._draft(institution)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(self.table(institution))

    def discard(self, institution: str) -> None:
        """Throw a draft away."""
        self._draft(institution).unlink(missing_ok=True)

    def table(self, institution: str) -> Path:
        return self._named("tables", institution)

    @property
    def sum_file(self) -> Path:
        return self.folder / "sum"

    @property
    def rows_file(self) -> Path:
        return self.folder / "rows"

    @property
    def hint_file(self) -> Path:
        return self.folder / "hint"

    def stored(self, context: EpochContext) -> bool:
        """Whether every member's table is there."""
        return all(self.table(institution).exists() for institution in context.institutions)

    def add_up(self, context: EpochContext, digests: Mapping[str, bytes]) -> None:
        """Write the sum of all tables. Raises MessageError naming a member whose table is not the logged one."""
        states = {name: TableHash(context.epoch_id, name) for name in context.institutions}
        records = table_bytes(context) // RECORD_BYTES
        with ExitStack() as opened, self._complete(self.sum_file) as out:
            tables = {name: opened.enter_context(self.table(name).open("rb")) for name in states}
            for first in range(0, records, _RECORDS_AT_ONCE):
                total = np.zeros((min(_RECORDS_AT_ONCE, records - first), COEFFICIENTS), dtype=np.uint32)
                for name, file in tables.items():
                    packed = _exactly(file, len(total) * RECORD_BYTES, _table_of(name))
                    states[name].update(packed)
                    add_residues(total, unpack(packed, _table_of(name), first))
                out.write(pack(total))
            for name, state in states.items():
                if state.digest() != digests[name]:
                    raise MessageError(_table_of(name), got="another than was logged", expected="the logged one")

    def check_signatures(self, context: EpochContext, auditor: str, signatures: NDArray[np.uint8]) -> None:
        """Raises SignatureError naming auditor and row for the first signature (uint8[rows, 64]) that does not hold;
        Refused before there is a sum.
        """
        epoch, keys = context.signed.epoch, {auditor: context.roster.member(auditor).key}
        with self._summed() as file:
            for first in range(0, epoch.rows, _ROWS_AT_ONCE):
                signed = signatures[first : min(first + _ROWS_AT_ONCE, epoch.rows)]
                values = unpack(_exactly(file, len(signed) * epoch.slots * RECORD_BYTES, "sum"), "sum")
                rows = Rows(values.reshape(-1, epoch.slots, COEFFICIENTS), signed)
                rows.verify(context.epoch_id, keys, first)

    def join(self, context: EpochContext, signatures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Write what is served: every row of the sum, and behind it the auditors' signatures on it."""
        epoch = context.signed.epoch
        with self._summed() as file, self._complete(self.rows_file) as out:
            for signed in join_signatures(signatures, epoch.auditors):
                out.write(_exactly(file, epoch.slots * RECORD_BYTES, "sum") + signed.tobytes())

    def read_part(self, file: Path, offset: int, limit: int) -> tuple[bytes, int]:
        """A part of a file and the size of the whole. Raises Refused if it is not there, or ends before `offset`."""
        try:
            with file.open("rb") as opened:
                size = os.fstat(opened.fileno()).st_size
                if offset > size:
                    raise Refused(Code.INVALID, "offset", got=offset, expected=f"at most {size}")
                opened.seek(offset)
                return opened.read(min(limit or PART_BYTES, PART_BYTES)), size
        except FileNotFoundError as error:
            raise Refused(Code.TOO_EARLY, "file", got="none yet", expected="one that is complete") from error

    def keep_keys(self, institution: str, keys: bytes, name: bytes) -> None:
        """The member's evaluation keys; earlier ones of it are gone. Raises Refused once the epoch's files are gone: a
        late call must not make its folder anew."""
        if not self.rows_file.exists():
            raise Refused(Code.CLOSED, "epoch", got="files that are not there", expected="an open epoch")
        write_public(self._named("keys", institution), name + keys, mode=0o600)

    def keys_file(self, institution: str, name: bytes) -> Path:
        """Where the keys lie that the member registered under this hash: the hash, then the keys.

        Raises Refused if it registered none or others.
        """
        file = self._named("keys", institution)
        registered = b""
        if file.exists():
            with file.open("rb") as opened:
                registered = opened.read(32)
        if registered != name:
            raise Refused(Code.UNKNOWN, "keys_hash", got=name.hex()[:16], expected="registered keys: register again")
        return file

    @contextmanager
    def _summed(self) -> Iterator[BinaryIO]:
        """The sum, opened. Raises Refused before it was made."""
        try:
            with self.sum_file.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            raise Refused(Code.TOO_EARLY, "sum", got="none yet", expected="all tables") from error

    @contextmanager
    def _complete(self, path: Path) -> Iterator[BinaryIO]:
        """A draft to be written, which is `path` once the block ends without an error, and on disk."""
        draft = path.with_name(f"{path.name}.draft")
        with draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def _draft(self, institution: str) -> Path:
        return self._named("drafts", institution)

    def _named(self, kind: str, institution: str) -> Path:
        """A file named by a hash: what an institution is called is no part of a path."""
        return private_directory(self.folder / kind) / sha256(institution.encode()).hexdigest()[:32]


def _table_of(institution: str) -> str:
    return f"table of {institution}"


def _exactly(file: BinaryIO, size: int, field: str) -> bytes:
    """The next `size` bytes. Raises MessageError for a file that ends before."""
    data = file.read(size)
    if len(data) != size:
        raise MessageError(field, got="a file that ended", expected=f"{size} bytes more")
    return data
