"""Inquiries and draws as the home's own copy of the log has them, up to the newest checkpoint with a quorum.

    copied = CopiedLog.read(home, store)
    copied.draws.seen[leaf].sample, copied.leaf(index), copied.context(leaf)

Only what inquiries rest on is judged, by the code of step 2; every entry is hashed, and the root is the checkpoint's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from clients.regulator.archive import Archive
from clients.regulator.case import Case, Note
from clients.regulator.home import RegulatorHome
from clients.regulator.inquiries.draws import KINDS, Draws, DrawSeen
from clients.regulator.line import Line, read_line
from clients.regulator.lookups import KINDS as LOOKUPS
from clients.regulator.mirror.roster import kind_of, roster_of
from clients.regulator.mirror.store import MirrorStore
from clients.regulator.policy import Policy
from clients.regulator.steps.signatures import SignatureStep
from clients.regulator.watch.thorough import is_quorate
from federation.errors import ConfigurationError, LedgerError
from federation.oversight.inquiries import RevocationTaken
from federation.oversight.members import ROSTER, Roster
from protocols.lookup.context import EpochContext
from protocols.lookup.leaf import SignedLeaf
from protocols.transparency import open_checkpoint, read_entry

_JUDGED = KINDS | LOOKUPS | {*ROSTER, RevocationTaken.kind}


@dataclass
class CopiedLog:
    """`size`: of the newest checkpoint that a quorum of the policy cosigned; what lies behind it is not read."""

    store: MirrorStore
    size: int
    draws: Draws
    contexts: Mapping[bytes, EpochContext]
    taken: Mapping[RevocationTaken, int]  # what institutions committed to of revocations, and where

    @classmethod
    def read(cls, home: RegulatorHome, store: MirrorStore) -> CopiedLog:
        """Raises ConfigurationError without a checkpoint that a quorum cosigned, LedgerError where entries do not lead
        to it: the copy was changed.
        """
        policy = home.policy
        size, root = quorate(policy, store)
        case = Case(cast(Archive, None), policy, Note("", b"", None, None), (), (), (), Roster(policy.coordinator))
        step = SignatureStep(case)
        for index, data in enumerate(store.entries(0, size)):
            line = read_line(index, data) if kind_of(data) in _JUDGED else Line(index, data)
            case.grow(line)
            if line.kind:
                step.see(line)
                case.follow(line)
            else:
                step.draws.grow(case.tree)
        if (case.tree.size, case.tree.root) != (size, root):
            got = f"{case.tree.size} entries, root {case.tree.root.hex()[:16]}"
            raise LedgerError("copy of the log", got=got, expected=f"{size}, root {root.hex()[:16]}")
        return cls(store, size, step.draws, step.lookups.contexts, step.taken)

    def draw(self, leaf: str) -> DrawSeen | None:
        """The draw with this leaf hash, once a quorum has cosigned a checkpoint with it."""
        return self.draws.seen.get(leaf)

    def leaf(self, index: int) -> SignedLeaf:
        """The inquiry at a place of a sample."""
        (data,) = self.store.entries(index, index + 1)
        return SignedLeaf.decode(read_entry(data).body)

    def context(self, leaf: SignedLeaf) -> EpochContext:
        """The epoch of an inquiry of a sample, as all its members signed it."""
        return self.contexts[leaf.leaf.epoch_id]


def quorate(policy: Policy, store: MirrorStore) -> tuple[int, bytes]:
    """(size, root) of the newest checkpoint of the copy that a quorum of the policy cosigned."""
    chain = roster_of(store, policy.coordinator).successions
    note = next((note for note in reversed(store.notes()) if is_quorate(policy, note, chain)), None)
    if note is None:
        expected = "one that a quorum of policy.toml's witnesses cosigned: `fedscore regulator watch` follows the log"
        raise ConfigurationError("copy of the log", got="no checkpoint", expected=expected)
    checkpoint = open_checkpoint(note, policy.log)
    return checkpoint.size, checkpoint.root
