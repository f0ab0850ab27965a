"""The root of a record set: what a replay must have been computed on, without telling anybody a record.

A leaf is the RFC 6962 leaf hash of (label, its own salt, the record's bytes), the tree that of RFC 6962. Salts are
HMAC-SHA256(key, position): without the key a root, a leaf or a path is no oracle for a guess of a record. An opening
gives away one record and one salt, so that a record of a core system can be found in the set, and nothing of others.

>>> tree = RecordTree([b"one", b"two", b"three"], key=bytes(32))
>>> check_opening(tree.root, tree.size, 1, b"two", tree.opening(1))
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from protocols.errors import MessageError, ProofError
from protocols.transparency.merkle import EMPTY_ROOT, inclusion_path, leaf_hash, node_hash, verify_inclusion

LEAF_LABEL = b"fedscore/v1/replay/record\x00"
SALT_LABEL = b"fedscore/v1/replay/salt\x00"
SALT_BYTES = KEY_BYTES = 32


@dataclass(frozen=True)
class Opening:
    """The salt of one record and the path from its leaf to the root, leaf side first."""

    salt: bytes = field(repr=False)
    path: tuple[bytes, ...]


class RecordTree:
    """The tree over `records`, in their order; `key` is 32 secret bytes. Holds two hashes for each record."""

    def __init__(self, records: Sequence[bytes], *, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise MessageError("replay.salt_key", got=f"{len(key)} bytes", expected=f"{KEY_BYTES} bytes")
        self._key = key
        self._levels = [[_leaf(self._salt(at), record) for at, record in enumerate(records)]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            pairs = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            self._levels.append(pairs + below[len(below) & ~1 :])  # an odd one rises as it is: RFC 6962, section 2.1

    @property
    def size(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """32 bytes; that of the empty tree where there are no records."""
        return self._levels[-1][0] if self.size else EMPTY_ROOT

    def opening(self, index: int) -> Opening:
        """What shows that record `index` is in the set. Raises MessageError for a position that it does not have."""
        if not 0 <= index < self.size:
            raise MessageError("replay.record", got=index, expected=f"0 to {self.size - 1}")
        path = inclusion_path(lambda level, at: self._levels[level][at], index, self.size)
        return Opening(self._salt(index), tuple(path))

    def _salt(self, index: int) -> bytes:
        return hmac.digest(self._key, SALT_LABEL + index.to_bytes(8, "big"), sha256)


def check_opening(root: bytes, size: int, index: int, record: bytes, opening: Opening) -> None:
    """Raises ProofError unless `record` is number `index` of the `size` records under `root`."""
    if len(opening.salt) != SALT_BYTES:
        raise ProofError("replay.opening", got=f"a salt of {len(opening.salt)} bytes", expected=f"{SALT_BYTES} bytes")
    verify_inclusion(opening.path, _leaf(opening.salt, record), index, size, root)


def _leaf(salt: bytes, record: bytes) -> bytes:
    return leaf_hash(LEAF_LABEL + salt + record)
