"""Step 5: nothing that was shown before was rewritten: one history in all checkpoints, the regulator's own included."""

from __future__ import annotations

from clients.regulator.steps.base import Step
from protocols.transparency import Checkpoint


class ConsistencyStep(Step):
    """With all entries at hand a consistency proof is the tree itself: its root at every size that a note names."""

    number = 5
    title = "Consistent with every earlier checkpoint"

    def finish(self) -> None:
        newest = self.case.newest.checkpoint
        # 1. The regulator's own last checkpoint: the log only grew.
        seen = self.case.policy.seen
        if seen is None:
            self.note("The policy has no checkpoint of its own yet: remember this one")
        else:
            self._check("policy: seen", Checkpoint(self.case.policy.log.name, seen.size, bytes.fromhex(seen.root)))
        # 2. The notes in the export: each signed by the log, none larger than the newest, all over the same entries.
        for note in self.case.earlier:
            if note.checkpoint is None:
                if note.error is not None:
                    self.fail_with(note.error, where=note.where)
                continue
            self._check(note.where, note.checkpoint)
        if newest is not None:
            self._check(self.case.newest.where, newest)
        if not self.failures:
            self.fact(f"{len(self.case.notes)} checkpoints of one history")

    def _check(self, where: str, older: Checkpoint) -> None:
        newest, size = self.case.newest.checkpoint, self.case.tree.size
        limit = size if newest is None else min(newest.size, size)
        if older.size > limit:
            self.fail(f"{where}: rolled back", f"a log of {limit} entries", f"at least {older.size}, as it once had")
        elif self.case.roots.get(older.size) != older.root:
            got = self.case.roots.get(older.size, b"").hex()
            self.fail(f"{where}: forked at size {older.size}", got, older.root.hex())
