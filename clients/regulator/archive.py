"""Reading an export: nothing is unpacked to disk, nothing is read beyond a bound.

with Archive.open(path) as archive:
    for data in archive.lines(ENTRIES): ...
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from clients.regulator.layout import MAX_FILES
from federation.errors import ConfigurationError, FederationError
from federation.runtime.closing import Closing
from protocols.transparency.entry import MAX_BODY_BYTES

MAX_LINE_BYTES = MAX_BODY_BYTES + 64
MAX_DOCUMENT_BYTES = 2**25  # what the log's own door hands out
_CHUNK = 2**20
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1


class ArchiveError(FederationError):
    """A file of an export that cannot be read."""


class Archive(Closing):
    """An open export. Raises ArchiveError, naming the file, for whatever is damaged or beyond its bound.

    Files are stored or deflated and do not overlap, so that an export of n bytes inflates to about 1,000 n at most.
    """

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        self.names = tuple(info.filename for info in file.infolist())
        self._files = frozenset(self.names)

    @classmethod
    def open(cls, path: Path) -> Archive:
        """Raises ConfigurationError where there is no file, ArchiveError where it is no zip or has too many files."""
        if not path.is_file():
            raise ConfigurationError(str(path), got="no file", expected="an export")
        try:
            archive = cls(zipfile.ZipFile(path))
        except Exception as error:  # zipfile raises whatever the bytes lead it to
            raise _damaged(path.name, error, "an export (zip)") from error
        try:
            archive._check(path)
        except ArchiveError:
            archive.close()
            raise
        return archive

    def _check(self, path: Path) -> None:
        if len(self.names) > MAX_FILES:
            raise ArchiveError(path.name, got=f"{len(self.names)} files", expected=f"at most {MAX_FILES}")
        held, size = sum(info.compress_size for info in self._zip.infolist()), path.stat().st_size
        if held > size:
            raise ArchiveError(path.name, got=f"{held} bytes of files in {size}", expected="files side by side")

    @property
    def repeated(self) -> list[str]:
        """Names that more than one file has: readers would differ on which one it is."""
        return sorted(name for name, count in Counter(self.names).items() if count > 1)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def size(self, name: str) -> int:
        """Bytes of a file, as the export says; 0 where it has none of that name."""
        return self._zip.getinfo(name).file_size if name in self._files else 0

    def digest(self, name: str) -> str:
        """SHA-256 (hex) of a file."""
        sha256 = hashlib.sha256()
        with self._open(name) as file:
            while chunk := file.read(_CHUNK):
                sha256.update(chunk)
        return sha256.hexdigest()

    def read(self, name: str, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
        """All of a file."""
        with self._open(name) as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise ArchiveError(name, got=f"more than {limit} bytes", expected=f"at most {limit}")
        return data

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file, without their ends."""
        with self._open(name) as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 2):
                number += 1
                if not line.endswith(b"\n"):
                    got = "a line that does not end" if len(line) <= MAX_LINE_BYTES else f"over {MAX_LINE_BYTES} bytes"
                    raise ArchiveError(f"{name}, line {number}", got=got, expected="whole lines")
                yield line[:-1]

    def few_lines(self, name: str, most: int, limit: int) -> list[bytes]:
        """All lines of a file of at most `most` lines and `limit` bytes, counted before any is looked at."""
        data = self.read(name, limit)
        count = data.count(b"\n")
        if count > most:
            raise ArchiveError(name, got=f"{count} lines", expected=f"at most {most}")
        if data and not data.endswith(b"\n"):
            raise ArchiveError(f"{name}, line {count + 1}", got="a line that does not end", expected="whole lines")
        return data.split(b"\n")[:-1]

    def close(self) -> None:
        self._zip.close()

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        if name not in self._files:
            raise ArchiveError(name, got="no such file", expected="a file of the export")
        info = self._zip.getinfo(name)
        if info.compress_type not in _METHODS or info.flag_bits & _ENCRYPTED:
            got = f"compression method {info.compress_type}, flags {info.flag_bits:#x}"
            raise ArchiveError(name, got=got, expected="a file that is stored or deflated")
        try:
            with self._zip.open(info) as file:
                yield file
        except ArchiveError:
            raise
        except Exception as error:
            raise _damaged(name, error, "a whole file") from error


def _damaged(name: str, error: Exception, expected: str) -> ArchiveError:
    return ArchiveError(name, got=f"damaged ({type(error).__name__})", expected=expected)
