"""The transparency log as its readers see it: Merkle proofs, signed checkpoints, promises.

    verify_promise(promise, leaf_hash, log_key, now)          # at once: the log owes this entry
    checkpoint = open_checkpoint(note, log_key)               # later: what the log commits to
    check_kept(promise, checkpoint, path)                     # that it holds what it owed
    quorum.check(note, log_key, now)                          # that enough witnesses saw this history, and when
    state = state.consider(note, proof, log_key)              # a witness: it only appends to what I have seen

Hashing is RFC 6962 (section 2.1), checkpoints are C2SP signed notes, so that existing tools can read the log.
"""

from protocols.transparency.cosignature import (
    WitnessKey,
    WitnessVerifier,
    attach,
    cosign,
    cosignature_in,
    cosignature_time,
    verify_cosignature,
)
from protocols.transparency.entry import Entry, entry_bytes, entry_hash, frame, read_entry
from protocols.transparency.merkle import (
    EMPTY_ROOT,
    Frontier,
    KeptNodes,
    NodeReader,
    consistency_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from protocols.transparency.note import (
    Checkpoint,
    LogKey,
    VerifierKey,
    open_checkpoint,
    open_note,
    sign_note,
    split_note,
)
from protocols.transparency.promise import Promise, check_kept, verify_promise
from protocols.transparency.quorum import Cosigned, Quorum, Succession
from protocols.transparency.statement import Statement
from protocols.transparency.tile import (
    MAX_ENTRY_BYTES,
    Tile,
    bundles_of,
    read_bundle,
    tile_nodes,
    tiles_of,
    write_bundle,
)
from protocols.transparency.witness import Fork, WitnessState

__all__ = [
    "EMPTY_ROOT",
    "MAX_ENTRY_BYTES",
    "Checkpoint",
    "Cosigned",
    "Entry",
    "Fork",
    "Frontier",
    "KeptNodes",
    "LogKey",
    "NodeReader",
    "Promise",
    "Quorum",
    "Statement",
    "Succession",
    "Tile",
    "VerifierKey",
    "WitnessKey",
    "WitnessState",
    "WitnessVerifier",
    "attach",
    "bundles_of",
    "check_kept",
    "consistency_path",
    "cosign",
    "cosignature_in",
    "cosignature_time",
    "entry_bytes",
    "entry_hash",
    "frame",
    "inclusion_path",
    "leaf_hash",
    "node_hash",
    "open_checkpoint",
    "open_note",
    "read_bundle",
    "read_entry",
    "root",
    "sign_note",
    "split_note",
    "tile_nodes",
    "tiles_of",
    "verify_consistency",
    "verify_cosignature",
    "verify_inclusion",
    "verify_promise",
    "write_bundle",
]
