"""Who calls, under mutual TLS: the member behind a connection, admitted NOW and not merely holding a certificate.

caller = Callers(store, limit=RateLimit(burst=200, per_second=20.0)).member(context)
"""

from __future__ import annotations

import threading
import time

import grpc

from federation.enrolment import Code
from federation.errors import Refused
from federation.runtime import rpc
from federation.runtime.pki import load_certificate, member_of
from federation.runtime.rate_limit import RateLimit, origin
from protocols.errors import SignatureError
from server.membership import Membership
from server.membership_store import MembershipStore

_REMEMBERED = 1024


class Callers:
    """Admitted members by their certificates. What the store says is remembered for `fresh` seconds: as long as that
    may a revoked member's call still pass (0: never).
    """

    def __init__(self, store: MembershipStore, *, limit: RateLimit, fresh: float = 0.0) -> None:
        self._store = store
        self._limit = limit
        self._fresh = fresh
        self._known: dict[bytes, tuple[float, Membership]] = {}
        self._lock = threading.Lock()

    def member(self, context: grpc.ServicerContext) -> Membership:
        """Raises Refused unless the caller is admitted and its key is the one on file, or for too many calls."""
        count_call(self._limit, context)
        shown = rpc.peer_certificate(context)
        now = time.monotonic()
        with self._lock:
            at, member = self._known.get(shown, (float("-inf"), None))
        if member is not None and now - at < self._fresh:
            return member
        member = self._look_up(shown)
        with self._lock:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[shown] = (now, member)
        return member

    def _look_up(self, shown: bytes) -> Membership:
        try:
            institution = member_of(shown)
        except SignatureError as error:
            raise Refused(Code.NOT_A_MEMBER, "certificate", got=error.got, expected=error.expected) from error
        member = self._store.member(institution)
        if not _same_holder(shown, member):
            raise Refused(Code.NOT_A_MEMBER, "certificate", got="an earlier holder's", expected="the member's own")
        return member


def count_call(limit: RateLimit, context: grpc.ServicerContext) -> None:
    """Raises Refused where the caller's address calls more often than it may."""
    if not limit.allows(origin(context.peer()), time.monotonic()):
        raise Refused(Code.TOO_MANY, "calls", got="more than allowed", expected=f"{limit.per_second:g} a second")


def _same_holder(shown: bytes, member: Membership) -> bool:
    """A name may be held by another after a revocation: only the key of the current holder counts."""
    if member.certificate is None:
        return False
    issued = load_certificate(member.certificate)
    return bool(load_certificate(shown).public_key() == issued.public_key())
