"""Bodies are read within bounds: of one body, of one caller, of all together, and of time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Busy(Exception):  # noqa: N818 (a state of the server, which the caller is asked to wait out)
    """No room for another body now."""


@dataclass
class Intake:
    """Room for `requests` requests and `total` bytes of their bodies at once, `each` of them from one caller."""

    requests: int
    total: int
    each: int
    _held: Counter[Hashable] = field(default_factory=Counter, init=False)
    _under_way: int = field(default=0, init=False)

    @property
    def held(self) -> int:
        """Bytes promised to requests that are under way."""
        return self._held.total()

    @contextmanager
    def room(self, caller: Hashable, size: int) -> Iterator[None]:
        """Keep `size` bytes for `caller` until the block ends. Raises Busy."""
        full = self._under_way >= self.requests or self.held + size > self.total
        if full or self._held[caller] + size > self.each:
            raise Busy
        self._under_way += 1
        self._held[caller] += size
        try:
            yield
        finally:
            self._under_way -= 1
            self._held[caller] -= size
            if not self._held[caller]:
                del self._held[caller]


async def read_body(receive: Receive, *, seconds: float) -> bytes | None:
    """The whole body; None if the caller hangs up. Raises TimeoutError if it takes longer than `seconds`."""
    chunks: list[bytes] = []
    async with asyncio.timeout(seconds):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` first, then whatever the server has to say."""
    first: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def given() -> MutableMapping[str, Any]:
        return first.pop() if first else await receive()

    return given
