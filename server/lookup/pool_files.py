"""The pool's files of one epoch: tables as they come, their sum, the rows' signatures, evaluation keys.

    files = PoolFiles(folder)
    files.receive("bank-a", offset, part, size)        # in order; bytes held
    files.sum(context, digests)                        # once all are there
    rows = files.rows(context, signatures)

What is complete is moved to its name in one step, so a process that was killed finds whole files or drafts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.errors import Refused
from federation.runtime.private_files import private_directory, write_public
from protocols.lookup.context import EpochContext
from protocols.lookup.packing import pack, unpack
from protocols.lookup.parameters import COEFFICIENTS, RECORD_BYTES
from protocols.lookup.rows import Rows, join_signatures
from protocols.lookup.table import SumTable
from server.lookup.epochs import Code

PART_BYTES = 2**20


def table_bytes(context: EpochContext) -> int:
    """The size of every member's table, and of their sum."""
    epoch = context.signed.epoch
    return epoch.rows * epoch.slots * RECORD_BYTES


@dataclass(frozen=True)
class PoolFiles:
    """Everything is below `folder` and goes with it."""

    folder: Path

    def receive(self, institution: str, offset: int, part: bytes, size: int) -> int:
        """Take a part of a table; the bytes held. A part that is not the next one changes nothing."""
        if self.table(institution).exists():
            return size
        if not 0 < len(part) <= PART_BYTES or offset + len(part) > size:
            raise Refused(Code.INVALID, "part", got=f"{len(part)} bytes", expected=f"1 to {PART_BYTES} of the table")
        draft = self._draft(institution)
        held = draft.stat().st_size if draft.exists() else 0
        if offset != held:
            return held
        with draft.open("ab") as file:
            file.write(part)
        return held + len(part)

    def drafted(self, institution: str) -> bytes:
        """What was received of a table that is not accepted yet."""
        return self._draft(institution).read_bytes()

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
        """Write the sum of all tables. Raises MessageError naming the member whose table is not the logged one."""
        total = SumTable(context.signed.epoch, context.institutions)
        for institution in context.institutions:
            total.add(institution, self.table(institution).read_bytes(), digests[institution])
        write_public(self.sum_file, pack(total.values), mode=0o600)

    def values(self, context: EpochContext) -> NDArray[np.uint32]:
        """uint32[rows, slots, 8], the sum. Raises Refused before it was made."""
        epoch = context.signed.epoch
        try:
            packed = self.sum_file.read_bytes()
        except FileNotFoundError as error:
            raise Refused(Code.TOO_EARLY, "sum", got="none yet", expected="all tables") from error
        return unpack(packed, "sum").reshape(epoch.rows, epoch.slots, COEFFICIENTS)

    def check_signatures(self, context: EpochContext, auditor: str, signatures: NDArray[np.uint8]) -> None:
        """Raises SignatureError naming auditor and row for the first signature (uint8[rows, 64]) that does not hold."""
        Rows(self.values(context), signatures).verify(context.epoch_id, {auditor: context.roster.member(auditor).key})

    def join(self, context: EpochContext, signatures: Mapping[str, NDArray[np.uint8]]) -> Rows:
        """The sum with the auditors' signatures; writes what `Rows` serves to members that mirror."""
        rows = Rows(self.values(context), join_signatures(signatures, context.signed.epoch.auditors))
        if not self.rows_file.exists():
            draft = self.folder / "rows.draft"
            with draft.open("wb") as file:
                for values, signed in zip(rows.values, rows.signatures, strict=True):
                    file.write(pack(values) + signed.tobytes())
            draft.replace(self.rows_file)
        return rows

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
        """The member's evaluation keys; earlier ones of it are gone."""
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

    def _draft(self, institution: str) -> Path:
        return self._named("drafts", institution)

    def _named(self, kind: str, institution: str) -> Path:
        """A file named by a hash: what an institution is called is no part of a path."""
        return private_directory(self.folder / kind) / sha256(institution.encode()).hexdigest()[:32]
