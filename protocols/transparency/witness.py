"""A witness: what it has seen of a log, and whether the next checkpoint only appends to it. Pure.

    state = state.consider(note, proof, log_key)      # raises for a fork or a rollback
    ...store `state` durably...
    line = cosign(split_note(note)[0], key, now)      # only then

In this order, a witness that dies in between never cosigns two histories (C2SP tlog-witness: check and store together,
before answering). One state belongs to one log and one key; two copies of it are two witnesses with one key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocols.errors import MessageError, ProofError, StageError
from protocols.transparency.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency
from protocols.transparency.note import VerifierKey, open_checkpoint


@dataclass(frozen=True)
class WitnessState:
    """The largest tree this witness has checked: its size and root. A new witness has seen the empty tree."""

    size: int = 0
    root: bytes = EMPTY_ROOT

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 0 <= self.size < 2**63:
            raise MessageError("witness.size", got=str(self.size)[:64], expected="0 .. 2^63 - 1")
        if len(self.root) != HASH_BYTES or (self.size == 0 and self.root != EMPTY_ROOT):
            raise MessageError("witness.root", got=self.root.hex()[:64], expected="a root of a tree of this size")

    @classmethod
    def seen(cls, note: bytes, log_key: VerifierKey) -> WitnessState:
        """Of a checkpoint that needs no proof: one this witness checked before. Raises as `open_checkpoint`."""
        checkpoint = open_checkpoint(note, log_key)
        return cls(checkpoint.size, checkpoint.root)

    def consider(self, note: bytes, proof: Sequence[bytes], log_key: VerifierKey) -> WitnessState:
        """The next state, where `note` is the log's and `proof` shows (from `self.size`) that it only appends.

        Raises MessageError or SignatureError (not the log's note), StageError for a smaller tree (a late message, or a
        log that went back), ProofError for a tree that does not contain this one: the log forked, or the proof is bad.
        """
        checkpoint = open_checkpoint(note, log_key)
        if checkpoint.size < self.size:
            raise StageError("checkpoint.size", got=checkpoint.size, expected=f"at least {self.size}, seen before")
        verify_consistency(proof, self.size, checkpoint.size, self.root, checkpoint.root)
        return WitnessState(checkpoint.size, checkpoint.root)

    def to_json(self) -> dict[str, Any]:
        return {"v": 1, "size": self.size, "root": self.root.hex()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> WitnessState:
        """Raises MessageError unless `to_json` gives the very same value."""
        try:
            state = cls(value["size"], bytes.fromhex(value["root"]))
        except (KeyError, TypeError, ValueError) as error:
            raise MessageError("witness", got="another form", expected="v, size and root") from error
        if state.to_json() != value:
            raise MessageError("witness", got="another form", expected="v, size and root")
        return state


@dataclass(frozen=True)
class Fork:
    """Proof against a log, for anybody who knows its key: it signed two roots for one size. `note`s are its own."""

    one: bytes
    other: bytes

    def verify(self, log_key: VerifierKey) -> int:
        """The size. Raises MessageError or SignatureError (not the log's), ProofError where the two agree."""
        one, other = open_checkpoint(self.one, log_key), open_checkpoint(self.other, log_key)
        if one.size != other.size or one.root == other.root:
            raise ProofError("fork", got="checkpoints that can both hold", expected="two roots for one size")
        return one.size
