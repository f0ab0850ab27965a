"""The owner's gRPC face: offer, score, renew. A score is charged, durably, before anything is computed."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import grpc
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.institution.blind.count_store import CountStore
from clients.institution.blind.lenders import Callers
from federation.blind import SignedOffer
from federation.errors import Refused
from federation.observability import metrics
from federation.runtime import rpc
from federation.runtime.logging import get_logger
from federation.runtime.pki import Authority, load_certificate, load_request
from federation.runtime.slots import Slots
from protocols.blind import BlindScorer, Quota, QuotaError, Request
from protocols.blind.messages import answer_bytes, request_bytes
from protocols.wire import blind_pb2 as wire

_PUBLIC = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
_SMALL = 2**18  # offers and certificates
_log = get_logger("blind")


class BlindService:
    """One model. `random` gives secret bytes; `now` dates certificates."""

    def __init__(
        self,
        offer: SignedOffer,
        scorer: BlindScorer,
        quota: Quota,
        count: CountStore,
        callers: Callers,
        slots: Slots,
        authority: Authority,
        now: Callable[[], datetime],
    ) -> None:
        self._offer, self._scorer, self._quota, self._count = offer, scorer, quota, count
        self._callers, self._slots, self._authority, self._now = callers, slots, authority, now

    @property
    def max_bytes(self) -> int:
        """The largest message that can be a request."""
        return max(_SMALL, request_bytes(self._scorer.terms, self._offer.offer.limits.per_request) + 1024)

    @property
    def max_reply(self) -> int:
        """The largest reply."""
        return max(_SMALL, answer_bytes(self._scorer.terms, self._offer.offer.limits.per_request) + 1024)

    def Offer(self, request: wire.OfferRequest, context: grpc.ServicerContext) -> wire.OfferReply:  # noqa: N802
        """The signed offer, and how many applicants the caller may still ask about today."""
        lender = self._callers.lender(context)
        offer = self._offer
        left = self.left(lender)
        return wire.OfferReply(offer=offer.offer.canonical(), signature=offer.signature, left=left)

    def Score(self, request: wire.ScoreRequest, context: grpc.ServicerContext) -> wire.ScoreReply:  # noqa: N802
        """1. the caller is allowed;  2. a slot is free;  3. sizes;  4. the quota, on disk;  5. the answer."""
        lender = self._callers.lender(context)
        with self._slots.take(lender):
            started = time.monotonic()
            asked = Request.decode(request.request, self._scorer.terms).applicants
            most = self._offer.offer.limits.per_request
            if asked > most:
                raise Refused("too_many", "request.applicants", got=asked, expected=f"at most {most}")
            try:
                answer = self._scorer.answer(lender, request.request)
            except QuotaError as error:
                _log.warning("blind score refused", institution=lender, count=asked, code="quota")
                raise Refused("quota", error.field, got=f"{asked} more", expected=error.expected) from error
        metrics.count("fedscore_blind_applicants_total", float(asked))
        _log.info("blind score answered", institution=lender, count=asked, seconds=time.monotonic() - started)
        return wire.ScoreReply(answer=answer)

    def Renew(self, request: wire.RenewRequest, context: grpc.ServicerContext) -> wire.RenewReply:  # noqa: N802
        """A certificate with a later end, for the same key under the same name."""
        lender = self._callers.lender(context)
        asked = load_request(request.signing_request).public_key().public_bytes(*_PUBLIC)
        shown = load_certificate(rpc.peer_certificate(context)).public_key().public_bytes(*_PUBLIC)
        if asked != shown:
            raise Refused("invalid", "signing_request", got="another key", expected="the key that was allowed")
        _log.info("certificate renewed", institution=lender)
        return wire.RenewReply(chain=self._authority.sign_member(request.signing_request, lender, self._now()))

    def left(self, lender: str) -> int:
        """Applicants that `lender` may ask about today."""
        spent, quota = self._count.spent(self._scorer.counted_as, lender), self._quota
        left = [quota.lifetime - spent.model, quota.per_requester - spent.requester]
        if quota.per_day is not None:
            left.append(quota.per_day - spent.today)
        return max(0, min(left))
