"""The files of one run: plan, signed plan, checkpoint, model, evaluation (.json) and events (.jsonl) in runs/RUN_ID.

A document is written to a temporary file, synced, renamed over the old one, and the folder is synced: after a crash at
any point the old or the new document is there, whole. Events are lines, only ever
appended; a torn last line is skipped. Updates that were averaged, or summed under masks, and what such a sum opened to
are in updates/, each named by its update_hash: only members and regulators ask for them, and an operator may remove
them once they have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from federation.errors import ConfigurationError
from federation.models import PublishedEvaluation, PublishedModel
from federation.rounds import Checkpoint, SignedPlan, TrainingPlan
from federation.rounds.plan import Document

D = TypeVar("D", bound=Document)

PLAN: Final = "plan.json"
SIGNED_PLAN: Final = "signed_plan.json"
CHECKPOINT: Final = "checkpoint.json"
MODEL: Final = "model.json"
EVALUATION: Final = "evaluation.json"
EVENTS: Final = "events.jsonl"
UPDATES: Final = "updates"


def _nothing(_step: str) -> None:
    return None


class CheckpointStore:
    """The folder of one run. `durable=False` skips fsync: for back-tests only. `after` is told each step of a write."""

    def __init__(self, folder: Path, *, durable: bool = True, after: Callable[[str], None] = _nothing) -> None:
        self.folder = folder
        self._durable = durable
        self._after = after
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def plan(self) -> TrainingPlan | None:
        return self._read(PLAN, TrainingPlan)

    def signed_plan(self) -> SignedPlan | None:
        return self._read(SIGNED_PLAN, SignedPlan)

    def checkpoint(self) -> Checkpoint | None:
        return self._read(CHECKPOINT, Checkpoint)

    def model(self) -> PublishedModel | None:
        return self._read(MODEL, PublishedModel)

    def evaluation(self) -> PublishedEvaluation | None:
        return self._read(EVALUATION, PublishedEvaluation)

    def write(self, name: str, document: Document) -> None:
        """Atomically. Raises OSError."""
        self.write_bytes(name, document.canonical())

    def write_bytes(self, name: str, data: bytes) -> None:
        """Atomically. Raises OSError."""
        target, temporary = self.folder / name, self.folder / f".{name}.tmp"
        self._after(f"{name}: begin")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            self._after(f"{name}: written")
            self._sync(file.fileno())
        self._after(f"{name}: synced")
        temporary.replace(target)
        self._after(f"{name}: renamed")
        self._sync_folder()
        self._after(f"{name}: folder synced")

    def keep_update(self, update_hash: str, data: bytes) -> None:
        """Atomically; of bytes named by their hash nothing is written twice. Raises OSError."""
        folder = self.folder / UPDATES
        folder.mkdir(exist_ok=True, mode=0o700)
        target, temporary = folder / update_hash, folder / f".{update_hash}.tmp"
        if target.exists():
            return
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            self._sync(file.fileno())
        self._after("update: written")
        temporary.replace(target)

    def append_event(self, event: dict[str, Any]) -> None:
        """One line. A torn line left by a crash is closed first, so that it cannot swallow this one."""
        self._after("event: begin")
        path = self.folder / EVENTS
        line = (json.dumps(event, sort_keys=True) + "\n").encode()
        with path.open("ab+") as file:
            if file.tell() and not _ends_line(file.fileno(), file.tell()):
                line = b"\n" + line
            file.write(line)
        self._after("event: written")

    def events(self) -> Iterator[dict[str, Any]]:
        """The events so far, oldest first."""
        path = self.folder / EVENTS
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def _read(self, name: str, kind: type[D]) -> D | None:
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return kind.read(path.read_bytes())
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.where}", got=error.got, expected=error.expected) from error

    def _sync(self, descriptor: int) -> None:
        if self._durable:
            os.fsync(descriptor)

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)


def _ends_line(descriptor: int, size: int) -> bool:
    return os.pread(descriptor, 1, size - 1) == b"\n"
