"""The transparency log as its readers see it: Merkle proofs, signed checkpoints, promises.

    verify_promise(promise, leaf_hash, log_key, now)          # at once: the log owes this entry
    checkpoint = open_checkpoint(note, log_key)               # later: what the log commits to
    check_kept(promise, checkpoint, path)                     # that it holds what it owed

Hashing is RFC 6962 (section 2.1), checkpoints are C2SP signed notes, so that existing tools can read the log.
"""

from protocols.transparency.entry import Entry, entry_bytes, entry_hash, frame, read_entry
from protocols.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    NodeReader,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from protocols.transparency.note import Checkpoint, LogKey, VerifierKey, open_checkpoint, open_note, sign_note
from protocols.transparency.promise import Promise, check_kept, verify_promise
from protocols.transparency.statement import Statement

__all__ = [
    "EMPTY_ROOT",
    "Checkpoint",
    "Entry",
    "Frontier",
    "LogKey",
    "NodeReader",
    "Promise",
    "Statement",
    "VerifierKey",
    "check_kept",
    "consistency_path",
    "entry_bytes",
    "entry_hash",
    "frame",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "open_note",
    "read_entry",
    "root",
    "sign_note",
    "verify_consistency",
    "verify_inclusion",
    "verify_promise",
]
