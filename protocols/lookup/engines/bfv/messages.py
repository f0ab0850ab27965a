"""The wire: queries, keys, answers and the querier's saved state, each of one size.

    message = label padded to 24 bytes || epoch_id (32) || payload
    query   = seed (64) || c0 modulo two primes, 60 bits a coefficient                                 122,944 bytes
    keys    = for each of the `levels` Galois keys and the relinearisation key, for each of two digits:
              seed (64) || c0 modulo three primes                                             up to 2.95 MB
    answer  = upper 32 bits of c0, upper 40 bits of c1                                                 73,728 bytes
    saved   = secret key modulo three primes || a keys message                      never sent, private file only

A sender cannot choose a header, a size, a level or a form, and c1 comes from a seed: a transparent ciphertext, one of
three polynomials, one in NTT form or a compressed bomb has no representation. Every number is below its prime. What is
left to a hostile sender is which polynomials it sends, and the answer is only ever a function of those and of
the padded table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocols.errors import MessageError
from protocols.lookup.engines.bfv.packing import ANSWER_BYTES, RESIDUES_BYTES, pack_residues, unpack_residues
from protocols.lookup.engines.bfv.parameters import DATA_PRIMES, PRIMES
from protocols.lookup.engines.bfv.serial import SEED_BYTES, Seeded

QUERY_BYTES = SEED_BYTES + len(DATA_PRIMES) * RESIDUES_BYTES
DIGITS = len(DATA_PRIMES)  # of a switching key
KEY_BYTES = DIGITS * (SEED_BYTES + len(PRIMES) * RESIDUES_BYTES)
SECRET_BYTES = len(PRIMES) * RESIDUES_BYTES

_LABEL_BYTES = 24


@dataclass(frozen=True)
class Kind:
    """One kind of message: its `name` in errors and in the label, and the bytes of its payload."""

    name: str
    payload_bytes: int

    @property
    def size(self) -> int:
        """Bytes of the whole message."""
        return _LABEL_BYTES + 32 + self.payload_bytes

    def frame(self, epoch_id: bytes, payload: bytes) -> bytes:
        """The message of a payload."""
        return self._head(epoch_id) + payload

    def payload(self, epoch_id: bytes, message: bytes) -> bytes:
        """The payload of a message. Raises MessageError for another size, kind, version or epoch."""
        if len(message) != self.size:
            raise MessageError(f"bfv.{self.name}", got=f"{len(message)} bytes", expected=f"{self.size} bytes")
        head = self._head(epoch_id)
        if message[: len(head)] != head:
            raise MessageError(f"bfv.{self.name}", got="another label or epoch", expected=f"{self.name} of this epoch")
        return message[len(head) :]

    def _head(self, epoch_id: bytes) -> bytes:
        return f"fedscore/v1/bfv/{self.name}".encode().ljust(_LABEL_BYTES, b"\x00") + epoch_id


QUERY = Kind("query", QUERY_BYTES)
ANSWER = Kind("answer", ANSWER_BYTES)


def keys_kind(levels: int) -> Kind:
    """The keys of a table whose expansion tree has `levels` levels."""
    return Kind("keys", (levels + 1) * KEY_BYTES)


def saved_kind(levels: int) -> Kind:
    """The saved state of a client of such a table."""
    return Kind("saved", SECRET_BYTES + keys_kind(levels).size)


def query_payload(query: Seeded) -> bytes:
    """The bytes of a query ciphertext."""
    return query.seed + pack_residues(query.c0)


def read_query(payload: bytes) -> Seeded:
    """The query ciphertext of a payload. Raises MessageError for coefficients beyond their primes."""
    return Seeded(payload[:SEED_BYTES], unpack_residues(payload[SEED_BYTES:], DATA_PRIMES, "bfv.query"))


def keys_payload(keys: Sequence[Sequence[Seeded]]) -> bytes:
    """The bytes of the switching keys: one a level of the expansion, then the relinearisation key."""
    return b"".join(part.seed + pack_residues(part.c0) for key in keys for part in key)


def read_keys(payload: bytes) -> list[tuple[Seeded, ...]]:
    """The switching keys of a payload. Raises MessageError for coefficients beyond their primes."""
    size = KEY_BYTES // DIGITS
    chunks = [payload[start : start + size] for start in range(0, len(payload), size)]
    parts = [
        Seeded(chunk[:SEED_BYTES], unpack_residues(chunk[SEED_BYTES:], PRIMES, f"bfv.keys[{index}]"))
        for index, chunk in enumerate(chunks)
    ]
    return [tuple(parts[start : start + DIGITS]) for start in range(0, len(parts), DIGITS)]
