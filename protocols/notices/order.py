"""What the regulator, who is no member, tells the carrier of letters: which it has kept, which were of no use.

    order = Order(int(now), kept={letter_name(sealed): receipt}, refused=(name,)).sign(key)     # over any transport
    Order.read(order, key, now)                                                # the carrier; then it hands out the next

Repeating an order changes nothing, and who has overheard one gets sealed bytes for CLOCK_SKEW_S, which it cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, from_hex_map, integer, sized, take, text, to_hex_map
from protocols.signing import SigningKey, VerifyingKey

REGULATOR = "/regulator"
"""The regulator as a recipient of letters: no institution can have this name."""
MAX_NAMES = 64
MAX_BYTES = 2**15
CLOCK_SKEW_S = 300
_ORDER = "fedscore/v1/notice/order"


@dataclass(frozen=True)
class Order:
    """at: Unix s; kept: receipts (64 bytes) by the names of letters (32); refused: names of others. MessageError."""

    at: int
    kept: Mapping[bytes, bytes] = field(default_factory=dict)
    refused: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        integer(self.at, "order.at")
        if len(self.kept) + len(self.refused) > MAX_NAMES:
            got = len(self.kept) + len(self.refused)
            raise MessageError("order", got=f"{got} letters", expected=f"at most {MAX_NAMES}")
        for name in (*self.kept, *self.refused):
            sized(name, "order.name", 32)
        for receipt in self.kept.values():
            sized(receipt, "order.receipt", 64)
        object.__setattr__(self, "kept", MappingProxyType(dict(sorted(self.kept.items()))))

    def sign(self, key: SigningKey) -> bytes:
        order = self._fields()
        return canonical({"order": order, "signature": key.sign(_ORDER, canonical(order)).hex()})

    @classmethod
    def read(cls, data: bytes, key: VerifyingKey, now: float) -> Order:
        """The order that `key` signed, a moment ago. Raises MessageError, EncodingError or SignatureError."""
        if len(data) > MAX_BYTES:
            raise MessageError("order", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        outer = take(parse_canonical(data), "signed order", ("order", "signature"))
        key.verify(_ORDER, canonical(outer["order"]), from_hex(outer["signature"], "order.signature", 64))
        fields = take(outer["order"], "order", ("version", "at", "kept", "refused"))
        if fields["version"] != 1 or not isinstance(fields["refused"], list):
            raise MessageError("order.version", got="another form", expected="version 1")
        kept = from_hex_map(fields["kept"], "order.kept", 64)
        order = cls(
            integer(fields["at"], "order.at"),
            {from_hex(name, "order.name", 32): receipt for name, receipt in kept.items()},
            tuple(from_hex(text(name, "order.refused"), "order.refused", 32) for name in fields["refused"]),
        )
        if abs(order.at - now) > CLOCK_SKEW_S:
            raise MessageError("order.at", got=order.at, expected=f"within {CLOCK_SKEW_S} s of {int(now)}")
        return order

    def _fields(self) -> dict[str, Any]:
        return {
            "version": 1,
            "at": self.at,
            "kept": to_hex_map({name.hex(): receipt for name, receipt in self.kept.items()}),
            "refused": [name.hex() for name in self.refused],
        }
