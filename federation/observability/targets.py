"""Where the processes of a home show themselves: HOME/run/PROCESS.json, as Prometheus' file_sd_configs reads it.

A file stays when its process is killed: then Prometheus misses its target, as it should.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from federation.observability.endpoint import LOOPBACK
from federation.observability.names import Process
from federation.runtime.private_files import private_directory, write_public


@dataclass(frozen=True)
class Target:
    """One process that was there when its file was written, and its file's name."""

    process: str
    party: str
    address: str


@contextmanager
def announced(home: Path, process: Process, party: str, port: int, instance: str = "") -> Iterator[None]:
    """Say that `process` listens on `port`, until the block ends."""
    file = private_directory(home / "run") / f"{process}{f'.{instance}' if instance else ''}.json"
    entry = {"targets": [f"{LOOPBACK}:{port}"], "labels": {"process": str(process), "party": party}}
    write_public(file, json.dumps([entry]).encode(), mode=0o600)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            file.unlink()


def targets(home: Path) -> tuple[Target, ...]:
    """What is announced in `home`, by name; a file that is no announcement is passed over."""
    found = []
    for file in sorted((home / "run").glob("*.json")):
        with suppress(OSError, ValueError, LookupError, TypeError):
            (entry,) = json.loads(file.read_bytes())
            labels = entry["labels"]
            found.append(Target(file.stem, str(labels["party"]), str(entry["targets"][0])))
    return tuple(found)
