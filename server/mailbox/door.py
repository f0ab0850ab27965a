"""The regulator's door to the mailbox: its signed order in, the next sealed openings out. Served on the log's port.

door = Door(mailbox, admitted, time.time)
door(order)                        # bytes; raises SignatureError for anybody else's
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.canonical import canonical
from protocols.notices import REGULATOR, Order
from server.mailbox.mailbox import Admitted, Mailbox

TOGETHER = 32


class Door:
    """`admitted`: the regulator's key, raises Refused where none is named. `clock`: Unix time (s). Thread-safe."""

    def __init__(self, mailbox: Mailbox, admitted: Admitted, clock: Callable[[], float]) -> None:
        self._mailbox, self._admitted, self._clock = mailbox, admitted, clock

    def __call__(self, data: bytes) -> bytes:
        """What waits after the order. Raises Refused, SignatureError, MessageError or EncodingError."""
        order = Order.read(data, self._admitted(REGULATOR), self._clock())
        self._mailbox.acknowledge(REGULATOR, list(order.kept.items()))
        self._mailbox.discard(REGULATOR, order.refused)
        waiting = self._mailbox.take(REGULATOR, TOGETHER)
        return canonical({"letters": [{"sender": sender, "sealed": sealed.hex()} for sender, sealed in waiting]})
