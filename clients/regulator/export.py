"""Writing an export: one zip, the same bytes for the same trail, in bounded memory.

    write_export(Path("export.zip"), Trail.of_folder(Path("mirror")))

Times, permissions and order are fixed; entries are streamed. The manifest comes last, when every file was hashed.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from clients.regulator.account import Account
from clients.regulator.deployment import describe
from clients.regulator.layout import (
    CHECKPOINT,
    CHECKPOINTS,
    DEPLOYMENT,
    ENTRIES,
    MANIFEST,
    PROMISES,
    Manifest,
    note_line,
)
from clients.regulator.line import read_line
from clients.regulator.trail import Trail
from federation.errors import ConfigurationError
from protocols.canonical import canonical

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can name
_READABLE = 0o100644 << 16
_UNIX = 3


def write_export(path: Path, trail: Trail) -> Manifest:
    """Pack `trail` into the new file `path`; what it is made of is copied, not judged.

    Raises ConfigurationError where an entry has a line break, or `path` cannot be written. A failure leaves no file.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            manifest = _pack(_Packer(archive), trail)
        partial.replace(path)
    except OSError as error:
        raise ConfigurationError(str(path), got=type(error).__name__, expected="a file that can be written") from error
    finally:
        partial.unlink(missing_ok=True)
    return manifest


class _Packer:
    """Adds files under fixed attributes and remembers their hashes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files: dict[str, str] = {}

    def add(self, name: str, parts: Iterable[bytes]) -> None:
        info = zipfile.ZipInfo(name, _LONG_AGO)
        info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, _READABLE, _UNIX
        sha256 = hashlib.sha256()
        with self._archive.open(info, "w", force_zip64=True) as file:
            for part in parts:
                file.write(part)
                sha256.update(part)
        self.files[name] = sha256.hexdigest()


def _pack(packer: _Packer, trail: Trail) -> Manifest:
    account, size = Account(), 0

    def entries() -> Iterator[bytes]:
        nonlocal size
        for data in trail.entries():
            account.take(read_line(size, data))
            yield _line(f"entry {size}", data)
            size += 1

    packer.add(ENTRIES, entries())
    packer.add(CHECKPOINT, [trail.checkpoint])
    packer.add(CHECKPOINTS, (_line("checkpoint", note_line(note)) for note in trail.checkpoints))
    packer.add(PROMISES, (_line("promise", promise) for promise in trail.promises))
    for path in sorted(trail.documents):
        packer.add(path, [trail.documents[path]()])
    packer.add(DEPLOYMENT, [canonical(describe(account))])
    manifest = Manifest(origin=trail.origin, size=size, files=dict(packer.files))
    packer.add(MANIFEST, [manifest.canonical()])
    return manifest


def _line(where: str, data: bytes) -> bytes:
    if b"\n" in data:
        raise ConfigurationError(where, got="a line break", expected="canonical JSON, which has none")
    return data + b"\n"
