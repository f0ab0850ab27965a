"""Flower app bundles: build one whose hash is the same on every machine, and name it.

    bundle = build(Path("server/bundle"))
    bundle.hash                      # 64 hexadecimal digits: what plans sign and institutions allow-list

Flower's own builder compresses, and compressed bytes depend on the zlib at hand; here the entries are stored.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from federation.errors import ConfigurationError

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX, _REGULAR_FILE = 3, 0o100644 << 16


@dataclass(frozen=True)
class Bundle:
    """The bytes of a bundle and their SHA-256."""

    content: bytes

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def build(folder: Path) -> Bundle:
    """The bundle of the Flower app in `folder`. Raises ConfigurationError if Flower finds the app invalid."""
    from flwr.cli.build import build_fab_from_disk  # half a second of CPU

    try:
        return Bundle(_stored(build_fab_from_disk(folder)))
    except ValueError as error:
        raise ConfigurationError(str(folder), got=str(error), expected="a Flower app") from error


def _stored(archive: bytes) -> bytes:
    """The same entries, in order, uncompressed, with fixed times, modes and system."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as copy:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system, entry.external_attr = _UNIX, _REGULAR_FILE
            copy.writestr(entry, source.read(name))
    return target.getvalue()
