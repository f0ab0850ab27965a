"""Messages that no honest party sends, made from ones that it does: field by field, document by document, byte by byte.

hostile = Hostile(seed)
hostile.message(order)          # a copy with something wrong in it, still of its type
hostile.raw(data)               # bytes that may be no message at all
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from protocols.canonical import canonical

_BASE = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")  # ristretto255, RFC 9496
POINTS = (bytes(32), b"\xff" * 32, _BASE, bytes(31) + b"\x80", b"\x01" + bytes(31), _BASE[::-1])
NUMBERS = (0, 1, 2**31 - 1, 2**32 - 1, 2**53, 2**63 - 1)
TEXTS = ("", "relay", "pool", "aurora", "x" * 70_000, "\u0000", "../../etc/passwd", "ä\u202e", "' OR 1=1 --")
JSONS: tuple[Any, ...] = (None, True, -1, 2**53 - 1, "", "00" * 32, "zz", [], {}, [[[[]]]], {"a": {"b": {}}}, "\u0000")


class Hostile:
    """Reproducible."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def raw(self, data: bytes) -> bytes:
        """Cut, lengthened, flipped, doubled or random."""
        pick, size = self._random, len(data)
        at = pick.randrange(size + 1)
        changed = bytearray(data)
        if changed:
            changed[at % size] ^= 1 << pick.randrange(8)
        forms: tuple[Callable[[], bytes], ...] = (
            lambda: data[:at],
            lambda: data + pick.randbytes(pick.randrange(1, 200)),
            lambda: bytes(changed),
            lambda: data[:at] + pick.randbytes(8) + data[at:],
            lambda: data + data,
            lambda: pick.randbytes(pick.randrange(400)),
            lambda: b"\x0a" * pick.randrange(2000),  # nested lengths that never end
        )
        return pick.choice(forms)()

    def message(self, message: Message) -> Any:
        """A copy with one to three fields gone wrong, at any depth."""
        copy = type(message)()
        copy.CopyFrom(message)
        for _ in range(self._random.randrange(1, 4)):
            self._spoil(copy)
        return copy

    def _spoil(self, message: Any) -> None:
        fields = message.DESCRIPTOR.fields
        if not fields:
            return
        field = self._random.choice(fields)
        if field.is_repeated:
            self._spoil_list(getattr(message, field.name), field)
        elif field.message_type is not None:
            self._spoil_part(message, field)
        else:
            setattr(message, field.name, self._value(field, getattr(message, field.name)))

    def _spoil_part(self, message: Any, field: FieldDescriptor) -> None:
        part = getattr(message, field.name)
        if self._random.random() < 0.1:
            message.ClearField(field.name)
        else:
            self._spoil(part)

    def _spoil_list(self, values: Any, field: FieldDescriptor) -> None:
        pick = self._random.random()
        if pick < 0.15:
            del values[:]
        elif pick < 0.35:
            copies = list(values)[:1] * self._random.choice((1, 70, 300))
            values.extend(copies)
        elif field.message_type is not None and len(values):
            self._spoil(self._random.choice(values))
        elif len(values):
            at = self._random.randrange(len(values))
            values[at] = self._value(field, values[at])
        elif field.message_type is not None:
            self._spoil(values.add())
        else:
            values.append(self._value(field, b"" if field.type == field.TYPE_BYTES else ""))

    def _value(self, field: FieldDescriptor, value: Any) -> Any:
        pick = self._random
        if field.type == field.TYPE_BYTES:
            return self._bytes(value)
        if field.type == field.TYPE_STRING:
            return pick.choice((*TEXTS, value + "x", value[:-1]))
        if field.type == field.TYPE_BOOL:
            return not value
        widest = 32 if field.type in (field.TYPE_UINT32, field.TYPE_INT32, field.TYPE_ENUM) else 64
        return pick.choice([number for number in (*NUMBERS, value + 1) if number < 2 ** (widest - 1)])

    def _bytes(self, value: bytes) -> bytes:
        pick = self._random
        document = self._document(value)
        if document is not None and pick.random() < 0.7:
            return document
        points = [pick.choice(POINTS)]
        if len(value) >= 32:
            at = 32 * pick.randrange(len(value) // 32)
            points.append(value[:at] + pick.choice(POINTS) + value[at + 32 :])
        return pick.choice((*points, self.raw(value), b"", pick.randbytes(32), bytes(70_000), value + value))

    def _document(self, value: bytes) -> bytes | None:
        """JSON with one value changed, still canonical; None for what is no JSON."""
        try:
            parsed = json.loads(value)
        except ValueError:
            return None
        if not isinstance(parsed, dict) or not parsed:
            return None
        inner = parsed
        while True:
            name = self._random.choice(sorted(inner))
            if isinstance(inner[name], dict) and inner[name] and self._random.random() < 0.8:
                inner = inner[name]
                continue
            break
        if self._random.random() < 0.1:
            del inner[name]
        else:
            inner[name] = self._random.choice(JSONS)
        return canonical(parsed)
