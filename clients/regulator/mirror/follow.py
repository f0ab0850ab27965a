"""Following the log: every step from one checkpoint to the next is verified before anything counts.

1. The log's key signed the note.           3. The entries in between lead from the old root to the new one.
2. It is no smaller than the last one.      4. Only then the note is stored, with the entries it covers.

A copy that holds every leaf needs no consistency proof: it continues the old tree itself, so the new root shows that
the log only appended. What does not lead there is fetched once more; then it is an alarm, and both notes are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Protocol

from clients.regulator.mirror.store import MirrorStore
from federation.errors import FederationError, LedgerError
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.transparency import (
    Checkpoint,
    Frontier,
    VerifierKey,
    WitnessState,
    attach,
    leaf_hash,
    open_checkpoint,
    split_note,
)

_BATCH = 256


class Log(Protocol):
    """Where entries are fetched; `LogReader` is the real one."""

    def entries(self, start: int, end: int) -> Iterable[bytes]: ...


class Alarm(FederationError):  # noqa: N818 (what it is)
    """The log contradicts itself: `code` log_forked or log_went_back; both notes are in the home's alarm.json."""

    def __init__(self, code: str, where: str, *, got: object, expected: object) -> None:
        self.code = code
        super().__init__(where, got=got, expected=expected)


@dataclass
class Mirror:
    """One thread, one process per home. `anchor`: the last checkpoint that was cosigned, in a file beside the database.

    Raises LedgerError where the stored copy is not what its own newest checkpoint says: it was changed behind its back.
    """

    store: MirrorStore
    key: VerifierKey
    anchor: Path
    alarm_file: Path
    clock: Callable[[], float]
    tree: Frontier = field(init=False)
    seen: WitnessState = field(init=False)

    def __post_init__(self) -> None:
        self.tree, note = _own_state(self.store, self.key)
        self.seen = WitnessState() if note is None else WitnessState.seen(note, self.key)
        if self.anchor.exists():
            anchored = WitnessState.seen(self.anchor.read_bytes(), self.key)
            self._compare(anchored)

    @property
    def alarmed(self) -> bool:
        """Whether a person has to look first."""
        return self.alarm_file.exists()

    def advance(self, log: Log, note: bytes) -> int:
        """Follow the log to `note`; how many entries there were before. Raises Alarm, what `log` raises, MessageError
        or SignatureError (not the log's note), LedgerError (an alarm that nobody cleared).
        """
        if self.alarmed:
            raise LedgerError(str(self.alarm_file), got="an alarm", expected="a person who compared the notes")
        checkpoint = open_checkpoint(note, self.key)
        before = self.tree.size
        if checkpoint.size < self.seen.size:
            self._stop("log_went_back", note, checkpoint)
        if checkpoint.size == self.seen.size and checkpoint.root != self.seen.root:
            self._stop("log_forked", note, checkpoint)
        tree = self._reach(log, checkpoint)
        if tree is None:
            self.store.drop_staged(before)
            tree = self._reach(log, checkpoint)  # once more: a bad answer is not yet a fork
        if tree is None:
            self.store.drop_staged(before)
            self._stop("log_forked", note, checkpoint)
        self.store.accept(note, checkpoint.size, self.clock())
        self.tree, self.seen = tree, WitnessState(checkpoint.size, checkpoint.root)
        return before

    def anchor_at(self, note: bytes) -> None:
        """Remember that `note` is about to be cosigned; on disk when this returns."""
        write_public(self.anchor, note, mode=0o600)

    def merge(self, note: bytes) -> bool:
        """Take cosignatures for a checkpoint that is known; False for another size. Raises Alarm for another root."""
        checkpoint = open_checkpoint(note, self.key)
        known = self.store.note_of(checkpoint.size)
        if known is None:
            return False
        if split_note(known)[0] != split_note(note)[0]:
            self._stop("log_forked", note, checkpoint)
        joined = attach(known, split_note(note)[1].splitlines(keepends=True))
        if joined != known:
            self.store.add_cosignatures(checkpoint.size, joined)
        return True

    def root_at(self, size: int) -> bytes | None:
        """The root of the first `size` entries of the copy; None where it has not so many. Reads all of them."""
        tree = Frontier()
        for data in self.store.entries(0, min(size, self.tree.size)):
            tree, _ = tree.append(leaf_hash(data))
        return tree.root if tree.size == size else None

    def _reach(self, log: Log, checkpoint: Checkpoint) -> Frontier | None:
        """The tree at `checkpoint`, with its entries staged; None where they do not lead there."""
        tree, staged = self.tree, self.store.staged()
        for data in self.store.entries(tree.size, min(staged, checkpoint.size)):
            tree, _ = tree.append(leaf_hash(data))
            if self._contradicts(tree):
                return None
        batch: list[bytes] = []
        for data in log.entries(tree.size, checkpoint.size) if tree.size < checkpoint.size else ():
            tree, _ = tree.append(leaf_hash(data))
            batch.append(data)
            if self._contradicts(tree):
                return None
            if len(batch) == _BATCH:
                self.store.stage(tree.size - len(batch), batch)
                batch = []
        self.store.stage(tree.size - len(batch), batch)
        return tree if (tree.size, tree.root) == (checkpoint.size, checkpoint.root) else None

    def _contradicts(self, tree: Frontier) -> bool:
        """Passing the checkpoint that was cosigned last (after the database came from a backup) it must agree."""
        return tree.size == self.seen.size and tree.root != self.seen.root

    def _compare(self, anchored: WitnessState) -> None:
        if anchored.size > self.seen.size:
            self.seen = anchored  # a restored database: the log must lead there again
        elif anchored.size == self.seen.size and anchored.root != self.seen.root:
            raise LedgerError(
                "copy of the log",
                got=f"root {self.seen.root.hex()}",
                expected=f"{anchored.root.hex()}, as cosigned ({self.anchor.name})",
            )

    def _stop(self, code: str, note: bytes, checkpoint: Checkpoint) -> NoReturn:
        """Keep both notes, on disk, and raise Alarm: nothing is followed or cosigned until a person has looked."""
        held = self.store.newest()
        seen = self.anchor.read_bytes() if self.anchor.exists() else held.note if held else b""
        evidence = {"code": code, "seen": seen.decode(), "shown": note.decode(), "at": int(self.clock())}
        write_public(self.alarm_file, json.dumps(evidence, indent=2).encode(), mode=0o600)
        got = f"size {checkpoint.size}, root {checkpoint.root.hex()}"
        expected = f"a tree that appends to size {self.seen.size}, root {self.seen.root.hex()}"
        self.store.alert(code, "log", f"got {got}, expected {expected}", self.clock())
        raise Alarm(code, "log", got=got, expected=expected)


def _own_state(store: MirrorStore, key: VerifierKey) -> tuple[Frontier, bytes | None]:
    """The tree and note of the newest checkpoint, which must belong together and to the entries. Raises LedgerError."""
    held = store.newest()
    if held is None:
        return Frontier(), None
    try:
        checkpoint = open_checkpoint(held.note, key)
    except ProtocolError as error:
        raise LedgerError(f"copy of the log: {error.field}", got=error.got, expected=error.expected) from error
    tree = Frontier()
    for data in store.entries(0, held.size):
        tree, _ = tree.append(leaf_hash(data))
    if (tree.size, tree.root) != (checkpoint.size, checkpoint.root):
        got = f"{tree.size} entries, root {tree.root.hex()}"
        raise LedgerError("copy of the log", got=got, expected=f"{checkpoint.size}, root {checkpoint.root.hex()}")
    return tree, held.note
