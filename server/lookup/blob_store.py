"""Blobs of an epoch: files named by their SHA-256, written in parts, readable by those they are meant for.

    blobs = BlobStore(record.engine, home.path / "lookup")
    blobs.receive(1, "bank-a", name, size, offset, part, reader="relay")
    data = blobs.read(1, "bank-a", name)

An upload that was interrupted goes on where it stopped; a whole with another digest is thrown away. A member may
store so many bytes in an epoch and no more. `erase` removes every file of an epoch; rows stay, they say nothing.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, insert, select, update

from federation.errors import Refused
from federation.runtime.database import reading, writing
from federation.runtime.private_files import private_directory, remove_folder
from server.lookup.epochs import RELAY, Code
from server.lookup.record_tables import blobs

PART_BYTES = 2**20
MEMBER_BYTES = 4 * 2**30  # of all blobs of one member in one epoch: points and proofs of 20 million customers
_LOCK = "lookup"


class BlobStore:
    """Files under `folder`/epochs/NUMBER/blobs, and the rows that say whose they are."""

    def __init__(self, engine: Engine, folder: Path, *, member_bytes: int = MEMBER_BYTES) -> None:
        self._engine = engine
        self._folder = folder
        self._member_bytes = member_bytes
        self._writing = threading.Lock()

    def receive(
        self, counter: int, owner: str, name: bytes, size: int, offset: int, part: bytes, *, reader: str
    ) -> int:
        """Take one part; the bytes held now. Raises Refused for a part too large, another plan, or too many bytes."""
        if len(name) != 32 or not 0 < len(part) <= PART_BYTES or offset + len(part) > size:
            raise Refused(Code.INVALID, "upload", got=f"{len(part)} bytes", expected=f"1 to {PART_BYTES} of the whole")
        if self._declare(counter, name.hex(), owner, reader, size):
            return size
        with self._writing:
            return self._write(counter, owner, name, size, offset, part)

    def put(self, counter: int, data: bytes, *, reader: str = "") -> bytes:
        """Store a blob of the relay's own; its name."""
        name = hashlib.sha256(data).digest()
        if not self._declare(counter, name.hex(), RELAY, reader, len(data)):
            with self._writing:
                self._path(counter, RELAY, name).write_bytes(data)
                self._mark_whole(counter, RELAY, name.hex())
        return name

    def read(self, counter: int, owner: str, name: bytes, *, size: int | None = None) -> bytes:
        """A whole blob of `owner`. Raises Refused if there is none, or it is of another size."""
        self.check_size(counter, owner, name, size)
        return self._path(counter, owner, name).read_bytes()

    def check_size(self, counter: int, owner: str, name: bytes, size: int | None) -> None:
        """Raises Refused unless the whole blob is there, and of this size where one is given."""
        row = self._row(counter, owner, name)
        if row is None or not row.whole:
            raise Refused(Code.UNKNOWN, "blob", got=name.hex()[:16], expected="one that was uploaded first")
        if size is not None and row.size != size:
            raise Refused(Code.INVALID, "blob", got=f"{row.size} bytes", expected=f"{size} bytes")

    def check_reader(self, counter: int, owner: str, name: bytes, reader: str) -> None:
        """Raises Refused unless the blob was uploaded for `reader` and nobody else."""
        row = self._row(counter, owner, name)
        if row is None or row.reader != reader:
            raise Refused(Code.INVALID, "blob", got="one for others too", expected=f"one for {reader} alone")

    def fetch(
        self, name: bytes, reader: str, offset: int, limit: int, *, admits: Callable[[int], bool]
    ) -> tuple[bytes, int]:
        """A part for `reader` and the size of the whole; `admits` says whether it takes part in an epoch.

        Raises Refused if there is none for it.
        """
        row = self._readable(name, reader)
        if row is None or not admits(row.counter):
            raise Refused(Code.UNKNOWN, "blob", got=name.hex()[:16], expected="one for the caller")
        if offset > row.size:
            raise Refused(Code.INVALID, "offset", got=offset, expected=f"at most {row.size}")
        try:
            with self._path(row.counter, row.owner, name).open("rb") as file:
                file.seek(offset)
                return file.read(min(limit or PART_BYTES, PART_BYTES)), row.size
        except FileNotFoundError as error:
            raise Refused(Code.CLOSED, "blob", got="one of an epoch that is over", expected="a current one") from error

    def erase(self, counter: int) -> None:
        """Remove every file of the epoch; safe to repeat. Raises OSError for what stays."""
        remove_folder(self._folder / "epochs" / str(counter) / "blobs")

    def _declare(self, counter: int, name: str, owner: str, reader: str, size: int) -> bool:
        """Note what is coming; True if it is here already."""
        with writing(self._engine, lock=_LOCK) as connection:
            mine = (blobs.c.counter == counter) & (blobs.c.name == name) & (blobs.c.owner == owner)
            row = connection.execute(select(blobs).where(mine)).one_or_none()
            if row is not None:
                if (row.reader, row.size) != (reader, size):
                    raise Refused(Code.CONFLICT, "upload", got="another reader or size", expected="the first")
                return bool(row.whole)
            held = select(func.sum(blobs.c.size)).where((blobs.c.counter == counter) & (blobs.c.owner == owner))
            if owner != RELAY and int(connection.execute(held).scalar_one() or 0) + size > self._member_bytes:
                raise Refused(Code.QUOTA, "upload", got=f"{size} bytes more", expected=f"{self._member_bytes} in all")
            values = {"counter": counter, "name": name, "owner": owner, "reader": reader, "size": size}
            connection.execute(insert(blobs).values(**values, whole=False))
        return False

    def _write(self, counter: int, owner: str, name: bytes, size: int, offset: int, part: bytes) -> int:
        file = self._path(counter, owner, name)
        draft = file.with_suffix(file.suffix + ".part")
        held = draft.stat().st_size if draft.exists() else 0
        if offset != held:
            return held
        with draft.open("ab") as out:
            out.write(part)
        if held + len(part) < size:
            return held + len(part)
        with draft.open("rb") as whole:
            if hashlib.file_digest(whole, "sha256").digest() != name:
                draft.unlink()
                return 0
        draft.replace(file)
        self._mark_whole(counter, owner, name.hex())
        return size

    def _mark_whole(self, counter: int, owner: str, name: str) -> None:
        with writing(self._engine, lock=_LOCK) as connection:
            mine = (blobs.c.counter == counter) & (blobs.c.name == name) & (blobs.c.owner == owner)
            connection.execute(update(blobs).where(mine).values(whole=True))

    def _path(self, counter: int, owner: str, name: bytes) -> Path:
        """Two owners may have the same bytes, for different readers; what an owner is called is no part of a path."""
        folder = private_directory(self._folder / "epochs" / str(counter) / "blobs")
        return folder / f"{name.hex()}.{hashlib.sha256(owner.encode()).hexdigest()[:16]}"

    def _row(self, counter: int, owner: str, name: bytes) -> Any:
        mine = (blobs.c.counter == counter) & (blobs.c.name == name.hex()) & (blobs.c.owner == owner)
        with reading(self._engine) as connection:
            return connection.execute(select(blobs).where(mine)).one_or_none()

    def _readable(self, name: bytes, reader: str) -> Any:
        """The newest whole blob of this name that `reader` may fetch."""
        theirs = (blobs.c.name == name.hex()) & blobs.c.whole & blobs.c.reader.in_(("", reader))
        query = select(blobs).where(theirs).order_by(blobs.c.counter.desc()).limit(1)
        with reading(self._engine) as connection:
            return connection.execute(query).one_or_none()
