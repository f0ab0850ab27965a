"""Step 4: the entries are those that the newest checkpoint commits to, all of them, and every promise was kept."""

from __future__ import annotations

from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.steps.base import Step
from protocols.errors import ProtocolError
from protocols.transparency import Promise, verify_promise


class InclusionStep(Step):
    """With all entries at hand an inclusion proof is the tree itself: its root is recomputed."""

    number = 4
    title = "Entries are all that the checkpoint commits to"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._promised: dict[int, list[Promise]] = {}
        for promise in case.promises:
            if isinstance(promise, Promise):
                self._promised.setdefault(promise.index, []).append(promise)
            else:
                self.fail_with(promise, where="promise")
        for error in case.unread:
            self.fail_with(error)

    def take(self, line: Line) -> None:
        for promise in self._promised.pop(line.index, []):
            if self._verified(promise) and promise.leaf_hash != line.leaf:
                self.fail("promise broken", line.leaf.hex(), f"{promise.leaf_hash.hex()}, promised at this place", line)

    def finish(self) -> None:
        checkpoint, tree = self.case.newest.checkpoint, self.case.tree
        # 1. The log signed the newest checkpoint.
        if checkpoint is None:
            if self.case.newest.error is not None:
                self.fail_with(self.case.newest.error, where=self.case.newest.where)
            return
        # 2. It covers as many entries as there are, and its root is theirs.
        if checkpoint.size != tree.size:
            self.fail("entries", f"{tree.size} entries", f"{checkpoint.size}, as the checkpoint says")
        if self.case.roots.get(checkpoint.size) != checkpoint.root:
            self.fail("root", f"{tree.root.hex()} ({tree.size} entries)", f"{checkpoint.root.hex()}{self._between()}")
        # 3. What was promised and is not in it was not yet due when the last witness looked.
        self._check_due()
        if not self.failures:
            self.fact(f"{tree.size} entries, root {checkpoint.root.hex()[:16]}, {len(self.case.promises)} promises")

    def _between(self) -> str:
        """Where the first wrong entry must be, as far as checkpoints can tell."""
        right = [
            0,
            *(note.checkpoint.size for note in self.case.notes if note.checkpoint and self._agrees(note.checkpoint)),
        ]
        wrong = [
            note.checkpoint.size for note in self.case.notes if note.checkpoint and not self._agrees(note.checkpoint)
        ]
        later = [size for size in wrong if size > max(right)]
        return f"; the first wrong entry is among {max(right)} to {min(later) - 1}" if later else ""

    def _agrees(self, checkpoint: object) -> bool:
        size, root = getattr(checkpoint, "size", -1), getattr(checkpoint, "root", b"")
        return self.case.roots.get(size) == root

    def _check_due(self) -> None:
        time = self.case.witnessed
        for promises in self._promised.values():
            for promise in promises:
                if not self._verified(promise):
                    continue
                due = promise.issued_at + promise.merge_delay_s
                if time is not None and time > due:
                    got = f"no entry {promise.index}, witnessed at {time}"
                    self.fail("promise broken", got, f"{promise.leaf_hash.hex()} by {due}")
                else:
                    self.note(f"A promise of entry {promise.index} was not yet due")

    def _verified(self, promise: Promise) -> bool:
        try:
            verify_promise(promise, promise.leaf_hash, self.case.policy.log, float("inf"))
        except ProtocolError as error:
            self.fail_with(error, where=f"promise of entry {promise.index}")
            return False
        return True
