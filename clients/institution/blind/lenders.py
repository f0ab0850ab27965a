"""Who may ask: outside lenders, each by the key of its certificate, allowed and revoked by the owner's people.

Nothing of a lender is taken on trust: `allow` needs the fingerprint of its key, as the lender read it out. A call is
served if its certificate is of this owner's authority (TLS sees to it), names a lender that is allowed now, and holds
the key that was allowed under that name.
"""

from __future__ import annotations

import re
import time
from datetime import datetime

import grpc
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clients.institution.blind.count_store import CountStore
from federation.blind.invitation import Invitation, public_key_fingerprint
from federation.errors import ConfigurationError, Refused
from federation.runtime import rpc
from federation.runtime.pki import Authority, load_certificate, load_request, member_of, same_fingerprint
from federation.runtime.rate_limit import RateLimit
from federation.runtime.wording import NAME_PATTERN
from protocols.errors import SignatureError
from protocols.signing import SigningKey

_PUBLIC = Encoding.DER, PublicFormat.SubjectPublicKeyInfo


def invite(
    count: CountStore,
    authority: Authority,
    owner: SigningKey,
    *,
    name: str,
    request: bytes,
    fingerprint: str,
    address: str,
    now: datetime,
) -> Invitation:
    """Allow the lender whose key has `fingerprint`, and certify it. Raises ConfigurationError or SignatureError."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigurationError("lender", got=name, expected="a-z, 0-9 and inner hyphens, 40 at most")
    key = public_key_fingerprint(load_request(request).public_key().public_bytes(*_PUBLIC))
    if not same_fingerprint(key, fingerprint):
        raise ConfigurationError("fingerprint", got=fingerprint, expected="that of the key in the application")
    chain = authority.sign_member(request, name, now)
    count.allow(name, key)
    invitation = Invitation(
        lender=name,
        address=address,
        owner_key=owner.public.hex,
        authority=authority.certificate_pem.decode("ascii"),
        chain=chain.decode("ascii"),
    )
    return invitation.signed_by(owner)


class Callers:
    """The lender behind a call."""

    def __init__(self, count: CountStore, limit: RateLimit) -> None:
        self._count, self._limit = count, limit

    def lender(self, context: grpc.ServicerContext) -> str:
        """Raises Refused: not allowed (now, or with this key), or too many calls."""
        shown = rpc.peer_certificate(context)
        try:
            name = member_of(shown)
        except SignatureError as error:
            raise Refused("not_a_member", "certificate", got=error.got, expected=error.expected) from error
        key = public_key_fingerprint(load_certificate(shown).public_key().public_bytes(*_PUBLIC))
        if not self._count.may_ask(name, key):
            raise Refused("not_a_member", "lender", got="not allowed", expected="a lender that the owner allows")
        if not self._limit.allows(name, time.monotonic()):
            raise Refused("too_many", "calls", got="more than allowed", expected=f"{self._limit.per_second:g} a second")
        return name
