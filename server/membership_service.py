"""The membership service: two small gRPC servers over one store.

Enrolment   TLS, open to strangers: Announce, Enrol, Collect. Small messages, few of them, everything signed.
Membership  mutual TLS, members only: Roster, Renew. The certificate names the caller; the store says whether the caller
            is still a member, so that a revocation works at once and not when a certificate expires.

Admission is not here: it is a person's decision at the coordinator's own machine (`fedscore coordinator admit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import grpc
from google.protobuf.message import Message

from federation.catalogue import Catalogue
from federation.enrolment import (
    MAX_APPLICATION_BYTES,
    claimed_institution,
    read_application,
    read_collect,
    read_renewal,
)
from federation.runtime import rpc
from federation.runtime.logging import get_logger
from federation.runtime.pki import MEMBER_LIFETIME, load_certificate
from federation.runtime.private_files import read_private
from federation.runtime.rate_limit import RateLimit, origin
from protocols.envelope import seal
from protocols.wire import membership_pb2 as wire
from protocols.wire.training_pb2 import Envelope
from server.callers import Callers, count_call
from server.home import CoordinatorHome
from server.membership import Membership, State
from server.membership_store import MembershipStore

Clock = Callable[[], datetime]
MAX_ROSTER_BYTES = 4 * 2**20
MAX_REPLY_BYTES = 16 * 2**20  # an enrolment batch as evaluated by a hundred members
_STATES = {
    State.PENDING: wire.PENDING,
    State.ADMITTED: wire.ADMITTED,
    State.REJECTED: wire.REJECTED,
    State.REVOKED: wire.REVOKED,
}
_log = get_logger("membership")


@dataclass(frozen=True)
class Desk:
    """What both services work with: the coordinator's home, its store, the catalogue and bundle it announces."""

    home: CoordinatorHome
    store: MembershipStore
    catalogue: Catalogue
    bundle_hash: Callable[[], str]
    clock: Clock

    def now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)

    def sealed(self, message: Message) -> Envelope:
        """`message` signed by the coordinator."""
        return Envelope.FromString(seal(message, self.home.signing_key))

    def sign(self, member: Membership) -> bytes:
        """A certificate chain for the request on file."""
        return self.home.authority().sign_member(member.request, member.institution, self.clock())

    def announcement(self) -> wire.Announcement:
        """Who this coordinator is and what its federation works to."""
        home = self.home
        return wire.Announcement(
            name=home.name,
            key=home.signing_key.public.raw,
            authority=home.authority_pem,
            catalogue_name=self.catalogue.name,
            catalogue_version=self.catalogue.version,
            catalogue_hash=self.catalogue.hash,
            bundle_hash=self.bundle_hash(),
            enrolment_address=home.enrolment_address,
            member_address=home.member_address,
            fleet_address=home.fleet_address,
            log_key=home.log_key.public.key.raw,
        )


class EnrolmentService:
    """For those who have no certificate yet. Every answer is signed by the coordinator."""

    def __init__(self, desk: Desk, *, limit: RateLimit, applications: RateLimit) -> None:
        self._desk = desk
        self._limit = limit
        self._applications = applications

    def Announce(self, _request: wire.AnnounceRequest, context: grpc.ServicerContext) -> Envelope:  # noqa: N802
        count_call(self._limit, context)
        return self._desk.sealed(self._desk.announcement())

    def Enrol(self, request: Envelope, context: grpc.ServicerContext) -> Envelope:  # noqa: N802
        """Record an application. It becomes a membership only when a person admits it."""
        count_call(self._limit, context)
        count_call(self._applications, context)
        desk = self._desk
        application = read_application(
            request,
            authority=desk.home.authority_fingerprint,
            catalogue_hash=desk.catalogue.hash,
            now_ms=desk.now_ms(),
        )
        limit = desk.home.settings.pending_limit
        member = desk.store.apply(application, desk.now_ms(), pending_limit=limit, origin=origin(context.peer()))
        _log.info("application heard", institution=member.institution, state=str(member.state))
        reply = wire.EnrolReply(
            institution=member.institution, application=application.hash, state=_STATES[member.state]
        )
        return desk.sealed(reply)

    def Collect(self, request: Envelope, context: grpc.ServicerContext) -> Envelope:  # noqa: N802
        """Where an application stands; its certificate once admitted. Only for the key that applied."""
        count_call(self._limit, context)
        desk = self._desk
        member = desk.store.of_key(claimed_institution(request), request.signer)
        read_collect(request, member.key, authority=desk.home.authority_fingerprint, now_ms=desk.now_ms())
        certificate = self._current(member) if member.state is State.ADMITTED else b""
        reply = wire.CollectReply(institution=member.institution, state=_STATES[member.state], certificate=certificate)
        return desk.sealed(reply)

    def _current(self, member: Membership) -> bytes:
        """The member's certificate, signed anew in its last third: one that was away too long collects again."""
        desk, chain = self._desk, member.certificate
        if chain and load_certificate(chain).not_valid_after_utc - desk.clock() > MEMBER_LIFETIME / 3:
            return chain
        return desk.store.renew(member.institution, member.request, desk.sign, desk.now_ms())


class MembershipService:
    """For members, over mutual TLS."""

    def __init__(self, desk: Desk, *, limit: RateLimit) -> None:
        self._desk = desk
        self._callers = Callers(desk.store, limit=limit)

    def Roster(self, _request: wire.RosterRequest, context: grpc.ServicerContext) -> Envelope:  # noqa: N802
        """The admitted members and the current announcement."""
        self._callers.member(context)
        desk = self._desk
        members = [
            wire.Member(
                institution=member.institution,
                key=member.key.raw,
                nominal_records=member.nominal_records,
                features=member.features,
            )
            for member in desk.store.admitted()
        ]
        return desk.sealed(wire.Roster(members=members, announcement=desk.announcement(), made_ms=desk.now_ms()))

    def Renew(self, request: Envelope, context: grpc.ServicerContext) -> Envelope:  # noqa: N802
        """A fresh certificate for the caller, whose Ed25519 key must have signed the request."""
        caller = self._callers.member(context)
        desk = self._desk
        renewal = read_renewal(request, caller.key, authority=desk.home.authority_fingerprint, now_ms=desk.now_ms())
        chain = desk.store.renew(caller.institution, renewal.request, desk.sign, desk.now_ms())
        return desk.sealed(wire.RenewReply(certificate=chain))


@contextmanager
def serve_membership(
    desk: Desk,
    *,
    enrolment: str | None = None,
    members: str | None = None,
    beside: Sequence[grpc.GenericRpcHandler] = (),
    workers: int = 8,
) -> Iterator[tuple[int, int]]:
    """Serve both on their addresses until the block ends; yields the two ports.

    `enrolment` and `members` ("host:port") default to the home's; the server certificate must be there. `beside` are
    further services for members, and `workers` the calls of members that are served at once.
    """
    home = desk.home
    key, chain = read_private(home.keys / "tls.key"), (home.keys / "tls.crt").read_bytes()
    open_service = EnrolmentService(
        desk, limit=RateLimit(burst=200, per_second=20.0), applications=RateLimit(burst=20, per_second=0.5)
    )
    closed_service = MembershipService(desk, limit=RateLimit(burst=200, per_second=20.0))
    services = wire.DESCRIPTOR.services_by_name
    with (
        rpc.serve(
            [rpc.handlers(services["Enrolment"], open_service)],
            enrolment or home.listen(home.settings.enrolment_port),
            credentials=rpc.server_tls(key, chain),
            max_bytes=MAX_APPLICATION_BYTES,
        ) as open_server,
        rpc.serve(
            [rpc.handlers(services["Membership"], closed_service), *beside],
            members or home.listen(home.settings.member_port),
            credentials=rpc.server_tls(key, chain, client_authority=home.authority_pem),
            workers=workers,
            max_bytes=MAX_ROSTER_BYTES,
            max_reply=MAX_REPLY_BYTES if beside else None,
        ) as closed_server,
    ):
        yield open_server.port, closed_server.port
