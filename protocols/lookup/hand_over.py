"""When and how failures reach an auditor: at the epoch's end, in one sealed batch of fixed size.

A visible reaction to a failure tells whoever caused it which row was asked for. So nothing happens while the epoch is
open; at its end every querier sends every auditor it chose one batch of the same size, whether it holds failures,
successes as cover, or nothing. What remains: an auditor that colludes with the pool sees which queries it was given,
and failures are in the batch for certain, successes by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.errors import MessageError
from protocols.lookup.evidence import HandOver
from protocols.lookup.fields import sized
from protocols.lookup.seal import open_sealed, seal
from protocols.oprf.group import Random

T = TypeVar("T")
_MAGIC = b"fedscore/v1/lookup/hand-overs\x00"


def hand_overs(failed: Sequence[T], succeeded: Sequence[T], size: int, random: Random) -> tuple[T, ...]:
    """At most `size`: failures first (a random choice if there are more), successes as cover, in random order."""
    chosen = _sample(failed, size, random)
    chosen += _sample(succeeded, size - len(chosen), random)
    return tuple(_sample(chosen, len(chosen), random))


@dataclass(frozen=True)
class Batch:
    """Hand-overs of one querier in one epoch, and the evaluation keys they were asked under (b"" where none)."""

    keys: bytes
    items: tuple[HandOver, ...]

    def encode(self, capacity: int) -> bytes:
        """Exactly `capacity` bytes, zeros at the end. Raises MessageError if it does not fit."""
        parts = [_MAGIC, _sized(self.keys), len(self.items).to_bytes(4, "big")]
        for item in self.items:
            parts += [_sized(part) for part in (item.epoch_id, item.keys_hash, item.query, item.answer, item.signature)]
        data = b"".join(parts)
        if len(data) > capacity:
            raise MessageError("batch", got=f"{len(data)} bytes", expected=f"at most {capacity}")
        return data.ljust(capacity, b"\x00")

    @classmethod
    def decode(cls, data: bytes) -> Batch:
        """Raises MessageError unless `encode` gives these bytes."""
        if not data.startswith(_MAGIC):
            raise MessageError("batch", got="another form", expected="hand-overs of version 1")
        reader = _Reader(data, len(_MAGIC))
        keys, count = reader.part(), reader.number()
        items = []
        for _ in range(count):
            epoch_id, keys_hash, query, answer, signature = (reader.part() for _ in range(5))
            items.append(HandOver(epoch_id, keys_hash, query, answer, signature))
        reader.check_rest()
        return cls(keys, tuple(items))


def capacity(size: int, query_bytes: int, answer_bytes: int, keys_bytes: int) -> int:
    """Bytes of a batch that can hold `size` hand-overs of an engine with messages of these sizes."""
    return len(_MAGIC) + 8 + keys_bytes + size * (5 * 4 + 32 + 32 + 64 + query_bytes + answer_bytes)


def seal_batch(batch: Batch, capacity: int, auditor: bytes, epoch_id: bytes, querier: str) -> bytes:
    """`capacity` + 48 bytes, sealed to the auditor's X25519 key. Raises MessageError (does not fit, bad key)."""
    return seal(auditor, batch.encode(capacity), _info(epoch_id, querier))


def open_batch(data: bytes, key: X25519PrivateKey, epoch_id: bytes, querier: str) -> Batch:
    """Raises MessageError for what was not sealed for this auditor by way of this querier's batch."""
    return Batch.decode(open_sealed(key, data, _info(epoch_id, querier)))


class _Reader:
    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._offset = data, offset

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def part(self) -> bytes:
        return self._take(self.number())

    def check_rest(self) -> None:
        if self._data.count(0, self._offset) != len(self._data) - self._offset:
            raise MessageError("batch", got="bytes after its end", expected="zeros")

    def _take(self, size: int) -> bytes:
        end = self._offset + size
        if end > len(self._data):
            raise MessageError("batch", got=f"{len(self._data)} bytes", expected=f"at least {end}")
        part, self._offset = self._data[self._offset : end], end
        return part


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def _info(epoch_id: bytes, querier: str) -> bytes:
    sized(epoch_id, "epoch_id", 32)
    return _MAGIC + epoch_id + querier.encode()


def _sample(items: Sequence[T], count: int, random: Random) -> list[T]:
    """A uniform choice of `count` (or all) of `items`, in uniform order: the first steps of a Fisher-Yates shuffle."""
    pool = list(items)
    for index in range(min(count, len(pool))):
        other = index + _below(len(pool) - index, random)
        pool[index], pool[other] = pool[other], pool[index]
    return pool[: max(count, 0)]


def _below(limit: int, random: Random) -> int:
    """Uniform in 0 .. limit - 1: what would favour small numbers is drawn again."""
    while True:
        number = int.from_bytes(random(8), "big")
        if number < 2**64 - 2**64 % limit:
            return number % limit
