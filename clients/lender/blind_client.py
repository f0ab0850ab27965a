"""Asking the owner of a model: mutual TLS to the authority of the invitation, and to no other.

with BlindOwner(home, clock) as owner:
    offer, left = owner.offer()
    answer = owner.score(request)
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from clients.lender.home import LenderHome
from federation.blind import SignedOffer
from federation.errors import Refused
from federation.runtime import rpc
from federation.runtime.pki import load_certificate, verify_issued
from protocols.blind.messages import MAX_FEATURES, MAX_PARTS, Terms, answer_bytes, request_bytes
from protocols.blind.ring import DEGREE
from protocols.signing import VerifyingKey
from protocols.wire import blind_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Blind"]
RENEW_BEFORE = timedelta(days=10)
TIMEOUT_S = 60.0
BUSY_S = 30.0
_LARGEST_REPLY = answer_bytes(Terms(bytes(32), MAX_PARTS, MAX_PARTS, 0.0, 1, 0), DEGREE) + 2**20
_LARGEST_REQUEST = request_bytes(Terms(bytes(32), MAX_FEATURES, 1, 0.0, 1, 0), DEGREE) + 2**20


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, Refused) and error.code in ("busy", "too_many") and error.where.startswith("calls")


class BlindOwner:
    """Every call raises Refused (what the owner objects to) or Unreachable."""

    def __init__(self, home: LenderHome, clock: Callable[[], datetime], *, timeout: float = TIMEOUT_S) -> None:
        """Raises ConfigurationError before `join`."""
        self._home, self._clock, self._timeout = home, clock, timeout
        self._invitation = home.invitation()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        authority = self._invitation.authority.encode()
        credentials = rpc.client_tls(authority, key=self._home.key, chain=self._home.chain)
        dialled = rpc.dial(
            self._invitation.address, credentials=credentials, max_bytes=_LARGEST_REPLY, max_request=_LARGEST_REQUEST
        )
        self._channel = self._stack.enter_context(dialled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def offer(self) -> tuple[SignedOffer, int]:
        """What the owner offers now, verified, and how many applicants it leaves to this lender today."""
        reply = rpc.ask(self._channel, SERVICE, "Offer", wire.OfferRequest(), timeout=self._timeout)
        owner = VerifyingKey.from_hex(self._invitation.owner_key)
        return SignedOffer.read(reply.offer, reply.signature, owner), int(reply.left)

    def score(self, request: bytes) -> bytes:
        """The answer to a request of `protocols.blind`; it is charged, whether or not it arrives here.

        An owner that is busy has charged nothing: it is asked again, for half a minute.
        """
        message = wire.ScoreRequest(request=request)
        for attempt in self._patience:
            with attempt:
                reply = rpc.ask(self._channel, SERVICE, "Score", message, timeout=self._timeout)
        return bytes(reply.answer)

    @property
    def _patience(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception(_is_busy),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            stop=stop_after_delay(BUSY_S),
            reraise=True,
        )

    def renew(self) -> bool:
        """Have a certificate that ends soon exchanged; whether it was. Raises SignatureError for what is none."""
        now = self._clock()
        if load_certificate(self._home.chain).not_valid_after_utc - now > RENEW_BEFORE:
            return False
        message = wire.RenewRequest(signing_request=self._home.request)
        chain = rpc.ask(self._channel, SERVICE, "Renew", message, timeout=self._timeout).chain
        verify_issued(chain, self._invitation.authority.encode(), now)
        self._home.keep_chain(chain)
        return True
