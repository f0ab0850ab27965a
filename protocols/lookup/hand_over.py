"""When and how failures reach an auditor: at the epoch's end, in one sealed batch of fixed size.

A visible reaction to a failure tells whoever caused it which row was asked for, and so does a verdict that everybody
can read: its hash names the query. So nothing happens while the epoch is open; at its end every querier sends every
auditor one batch of one size, whether it holds failures or nothing. Verdicts are published only of queries that a coin
drew before their answers were read; of the others the auditor tells the querier alone, in one sealed message of one
size, which is proof against the pool whenever the querier cares to show it. What remains: an auditor that colludes with
the pool sees which queries it was given, and a query that was drawn, one in fifty, is told the outcome of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.errors import MessageError
from protocols.lookup.evidence import HandOver, Verdict
from protocols.lookup.fields import sized
from protocols.lookup.mask_key import check_mask_key
from protocols.lookup.seal import KEY_BYTES, open_sealed, seal
from protocols.oprf.group import Random

_MAGIC = b"fedscore/v1/lookup/hand-overs\x00"
_VERDICTS = b"fedscore/v1/lookup/verdicts\x00"


def choose(
    drawn: Sequence[HandOver], failed: Sequence[HandOver], room: int, random: Random
) -> tuple[tuple[HandOver, ...], tuple[HandOver, ...]]:
    """As many of both as fit into `room` bytes, each a random choice, in random order.

    Those that were drawn come first, up to half of the room: which of them fit, and so whose verdicts are published,
    does not depend on what failed. One that is too large for what is left keeps none of the others out.
    """
    chosen, used = _fill(drawn, room // 2, random)
    others, _ = _fill(failed, room - used, random)
    return chosen, others


@dataclass(frozen=True)
class Batch:
    """Hand-overs of one querier in one epoch, and the evaluation keys they were asked under (b"" where none).

    drawn: by a coin before the answer was read, so that their verdicts may be published; private: all others, whose
    verdicts go to the querier alone, sealed to `reply` (X25519, of this batch; b"" for a batch of nobody).
    """

    keys: bytes
    reply: bytes
    drawn: tuple[HandOver, ...]
    private: tuple[HandOver, ...]

    def __post_init__(self) -> None:
        if self.reply:
            check_mask_key(self.reply, "batch.reply")

    @property
    def items(self) -> tuple[HandOver, ...]:
        return self.drawn + self.private

    def encode(self, capacity: int) -> bytes:
        """Exactly `capacity` bytes, zeros at the end. Raises MessageError if it does not fit."""
        parts = [_MAGIC, _sized(self.keys), _sized(self.reply)]
        for items in (self.drawn, self.private):
            parts += [len(items).to_bytes(4, "big"), *map(_item, items)]
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
        keys, reply = reader.part(), reader.part()
        drawn, private = (tuple(reader.hand_over() for _ in range(reader.number())) for _ in range(2))
        reader.check_rest()
        return cls(keys, reply, drawn, private)


def capacity(size: int, query_bytes: int, answer_bytes: int, keys_bytes: int) -> int:
    """Bytes of a batch that can hold `size` hand-overs of an engine with messages of these sizes."""
    return overhead(keys_bytes) + size * (5 * 4 + 32 + 32 + 64 + query_bytes + answer_bytes)


def overhead(keys_bytes: int) -> int:
    """Bytes of a batch that holds nothing but the querier's keys."""
    return len(_MAGIC) + 16 + keys_bytes + KEY_BYTES


def seal_batch(batch: Batch, capacity: int, auditor: bytes, epoch_id: bytes, querier: str) -> bytes:
    """`capacity` + 48 bytes, sealed to the auditor's X25519 key. Raises MessageError (does not fit, bad key)."""
    return seal(auditor, batch.encode(capacity), _info(epoch_id, querier))


def open_batch(data: bytes, key: X25519PrivateKey, epoch_id: bytes, querier: str) -> Batch:
    """Raises MessageError for what was not sealed for this auditor by way of this querier's batch."""
    return Batch.decode(open_sealed(key, data, _info(epoch_id, querier)))


def seal_verdicts(verdicts: Sequence[Verdict], capacity: int, reply: bytes, epoch_id: bytes, auditor: str) -> bytes:
    """`capacity` + 48 bytes for one querier, as many verdicts in them as fit. Raises MessageError for a bad key."""
    held, used = [], len(_VERDICTS) + 4
    for document in (verdict.encode() for verdict in verdicts):
        if used + 4 + len(document) <= capacity:
            held.append(_sized(document))
            used += 4 + len(document)
    data = b"".join([_VERDICTS, len(held).to_bytes(4, "big"), *held])
    return seal(reply, data.ljust(capacity, b"\x00"), _told(epoch_id, auditor))


def open_verdicts(data: bytes, key: X25519PrivateKey, epoch_id: bytes, auditor: str) -> tuple[Verdict, ...]:
    """What an auditor told this querier alone, NOT yet verified. Raises MessageError."""
    plain = open_sealed(key, data, _told(epoch_id, auditor))
    if not plain.startswith(_VERDICTS):
        raise MessageError("verdicts", got="another form", expected="verdicts of version 1")
    reader = _Reader(plain, len(_VERDICTS))
    found = tuple(Verdict.decode(reader.part()) for _ in range(reader.number()))
    reader.check_rest()
    return found


class _Reader:
    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._offset = data, offset

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def part(self) -> bytes:
        return self._take(self.number())

    def hand_over(self) -> HandOver:
        return HandOver(*(self.part() for _ in range(5)))

    def check_rest(self) -> None:
        if self._data.count(0, self._offset) != len(self._data) - self._offset:
            raise MessageError("batch", got="bytes after its end", expected="zeros")

    def _take(self, size: int) -> bytes:
        end = self._offset + size
        if end > len(self._data):
            raise MessageError("batch", got=f"{len(self._data)} bytes", expected=f"at least {end}")
        part, self._offset = self._data[self._offset : end], end
        return part


def _item(item: HandOver) -> bytes:
    return b"".join(map(_sized, (item.epoch_id, item.keys_hash, item.query, item.answer, item.signature)))


def _fill(items: Sequence[HandOver], room: int, random: Random) -> tuple[tuple[HandOver, ...], int]:
    """(a random choice of what fits, the bytes it takes)."""
    chosen, used = [], 0
    for item in _shuffled(items, random):
        size = len(_item(item))
        if used + size <= room:
            chosen.append(item)
            used += size
    return tuple(chosen), used


def _sized(part: bytes) -> bytes:
    return len(part).to_bytes(4, "big") + part


def _info(epoch_id: bytes, querier: str) -> bytes:
    sized(epoch_id, "epoch_id", 32)
    return _MAGIC + epoch_id + querier.encode()


def _shuffled(items: Sequence[HandOver], random: Random) -> list[HandOver]:
    """In uniform order: Fisher and Yates."""
    pool = list(items)
    for index in range(len(pool)):
        other = index + _below(len(pool) - index, random)
        pool[index], pool[other] = pool[other], pool[index]
    return pool


def _told(epoch_id: bytes, auditor: str) -> bytes:
    sized(epoch_id, "epoch_id", 32)
    return _VERDICTS + epoch_id + auditor.encode()


def _below(limit: int, random: Random) -> int:
    """Uniform in 0 .. limit - 1: what would favour small numbers is drawn again."""
    while True:
        number = int.from_bytes(random(8), "big")
        if number < 2**64 - 2**64 % limit:
            return number % limit
