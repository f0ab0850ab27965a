"""The log's signed promise for one entry: the answer to every submission.

>>> key = LogKey.from_seed("example.com/log", bytes(32))
>>> promise = Promise.make(key, leaf_hash=bytes(32), index=7, issued_at=1_700_000_000, merge_delay_s=60)
>>> verify_promise(Promise.decode(promise.encode()), bytes(32), key.public, now=1_700_000_000)

The entry is durable before the promise exists. Whoever holds the promise holds the log to it: a checkpoint that covers
`index` (or any made later than `issued_at + merge_delay_s`) without this entry there is proof against the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError, SignatureError, StageError
from protocols.transparency.merkle import HASH_BYTES, verify_inclusion
from protocols.transparency.note import Checkpoint, LogKey, VerifierKey

VERSION = 1
LABEL = "fedscore/v1/log-promise"
MAX_BYTES = 1024
CLOCK_SKEW_S = 300
_FIELDS = {"v", "origin", "leaf_hash", "index", "issued_at", "merge_delay_s", "signature"}


@dataclass(frozen=True)
class Promise:
    """Entry `leaf_hash` stands at `index`, and checkpoints show it `merge_delay_s` seconds after `issued_at` (Unix)."""

    origin: str
    leaf_hash: bytes
    index: int
    issued_at: int
    merge_delay_s: int
    signature: bytes

    def __post_init__(self) -> None:
        if len(self.leaf_hash) != HASH_BYTES:
            raise MessageError("promise.leaf_hash", got=f"{len(self.leaf_hash)} bytes", expected=HASH_BYTES)
        for field in ("index", "issued_at", "merge_delay_s"):
            value = getattr(self, field)
            if type(value) is not int or not 0 <= value < 2**53:
                raise MessageError(f"promise.{field}", got=str(value)[:64], expected="a whole number, not negative")

    @classmethod
    def make(cls, key: LogKey, *, leaf_hash: bytes, index: int, issued_at: int, merge_delay_s: int) -> Promise:
        """The promise signed by the log."""
        unsigned = cls(key.name, leaf_hash, index, issued_at, merge_delay_s, b"")
        return cls(key.name, leaf_hash, index, issued_at, merge_delay_s, key.sign(LABEL, unsigned._signed()))

    def encode(self) -> bytes:
        return canonical(self._document() | {"signature": self.signature.hex()})

    @classmethod
    def decode(cls, data: bytes) -> Promise:
        """The promise in `data`, NOT yet verified. Raises MessageError or EncodingError."""
        if len(data) > MAX_BYTES:
            raise MessageError("promise", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        value = parse_canonical(data)
        if not isinstance(value, dict) or set(value) != _FIELDS or not isinstance(value["origin"], str):
            raise MessageError("promise", got="another form", expected=f"an object of {', '.join(sorted(_FIELDS))}")
        if value["v"] != VERSION or type(value["v"]) is not int:
            raise MessageError("promise.v", got=str(value["v"])[:64], expected=VERSION)
        return cls(
            value["origin"],
            _hex("leaf_hash", value["leaf_hash"]),
            value["index"],
            value["issued_at"],
            value["merge_delay_s"],
            _hex("signature", value["signature"]),
        )

    def _document(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "origin": self.origin,
            "leaf_hash": self.leaf_hash.hex(),
            "index": self.index,
            "issued_at": self.issued_at,
            "merge_delay_s": self.merge_delay_s,
        }

    def _signed(self) -> bytes:
        return canonical(self._document())


def verify_promise(promise: Promise, leaf_hash: bytes, log_key: VerifierKey, now: float) -> None:
    """Raises SignatureError unless this is the log's promise for this entry, MessageError if it is from the future."""
    if promise.leaf_hash != leaf_hash:
        raise SignatureError("promise.leaf_hash", got=promise.leaf_hash.hex(), expected=leaf_hash.hex())
    if promise.origin != log_key.name:
        raise SignatureError("promise.origin", got=promise.origin[:64], expected=log_key.name)
    log_key.key.verify(LABEL, promise._signed(), promise.signature)
    if promise.issued_at > now + CLOCK_SKEW_S:
        raise MessageError("promise.issued_at", got=promise.issued_at, expected=f"at most {int(now) + CLOCK_SKEW_S}")


def check_kept(promise: Promise, checkpoint: Checkpoint, path: Sequence[bytes]) -> None:
    """Whether the log kept a promise that verifies; `path` is its inclusion proof in the tree of `checkpoint`.

    Raises StageError for a checkpoint that is too early to tell (after `issued_at + merge_delay_s` that too is a broken
    promise) and ProofError for one that covers the entry's place without the entry.
    """
    if checkpoint.origin != promise.origin:
        raise MessageError("checkpoint.origin", got=checkpoint.origin[:64], expected=promise.origin)
    if checkpoint.size <= promise.index:
        raise StageError("promise", got=f"a tree of {checkpoint.size}", expected=f"one that covers {promise.index}")
    verify_inclusion(path, promise.leaf_hash, promise.index, checkpoint.size, checkpoint.root)


def _hex(field: str, value: object) -> bytes:
    with suppress(ValueError):
        if isinstance(value, str) and bytes.fromhex(value).hex() == value:
            return bytes.fromhex(value)
    raise MessageError(f"promise.{field}", got=str(value)[:64], expected="lower case hexadecimal digits")
