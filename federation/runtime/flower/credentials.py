"""Which requests come from a registered node, seen from their headers alone, before a byte of the body is read.

A SuperNode sends its public key, a timestamp and its signature of the timestamp with every request. Flower checks them
too, but only once it has read and parsed the body: a stranger could make it hold as much as it allows a node.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER

Headers = Iterable[tuple[bytes, bytes]]
MAX_FIELD = 1024  # a P-384 key in PEM is 215 bytes, 288 in base64
REFRESH_S = 0.5


class RegisteredNodes:
    """The keys that `read` names: the SuperLink's own list, asked again for a key that is not known, twice a second at
    most, and whenever what is known is older than `lasting` seconds.

    Flower asks its list for every request once more: a key that was just removed gets a body read, and no answer.
    """

    def __init__(
        self,
        read: Callable[[], Collection[bytes]],
        *,
        lasting: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._read = read
        self._lasting = lasting
        self._clock = clock
        self._now = now
        self._known: frozenset[bytes] = frozenset()
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def caller(self, headers: Headers) -> bytes | None:
        """The registered key (PEM) that signed these headers just now; None for anybody else."""
        shown = _shown(headers)
        if shown is None or not await self._knows(shown[0]):
            return None
        key, timestamp, signature = shown
        return key if _fresh(timestamp, self._now()) and _signed(key, timestamp, signature) else None

    async def _knows(self, key: bytes) -> bool:
        if self._age() > (self._lasting if key in self._known else REFRESH_S):
            async with self._asking:
                if self._age() > REFRESH_S:  # nobody else asked while this one waited
                    self._known = frozenset(await asyncio.to_thread(self._read))
                    self._asked = self._clock()
        return key in self._known

    def _age(self) -> float:
        return self._clock() - self._asked


def _shown(headers: Headers) -> tuple[bytes, bytes, bytes] | None:
    """Key, timestamp and signature; None unless each is there once, small and in its form."""
    wanted = (FLEET_HTTP_PUBLIC_KEY_HEADER, TIMESTAMP_HEADER, FLEET_HTTP_SIGNATURE_HEADER)
    found = [[value for name, value in headers if name == field.encode()] for field in wanted]
    if any(len(values) != 1 or len(values[0]) > MAX_FIELD for values in found):
        return None
    [key], [timestamp], [signature] = found
    try:
        return b64decode(key, validate=True), timestamp, b64decode(signature, validate=True)
    except ValueError:
        return None


def _fresh(timestamp: bytes, now: datetime) -> bool:
    """Flower's own rule."""
    try:
        age = (now - datetime.fromisoformat(timestamp.decode("ascii"))).total_seconds()
    except (ValueError, TypeError):
        return False
    return -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE


def _signed(key: bytes, timestamp: bytes, signature: bytes) -> bool:
    try:
        public = load_pem_public_key(key)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            return False
        public.verify(signature, timestamp, ec.ECDSA(hashes.SHA256()))
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True
