"""Enrolment from the institution's side: pin, apply, wait, collect; later the roster and renewals.

    authority = pin_authority("coordinator:9000", "5f1c...")      # or the bytes of ca.crt
    with Enrolment(home, "coordinator:9000", authority, clock) as enrolment:
        enrolment.apply(catalogue_hash, features)
        ...                                                       # a person compares home.fingerprint
        enrolment.collect()

Nothing is sent to a coordinator whose authority is not the pinned one.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from clients.institution.home import CoordinatorIdentity, InstitutionHome
from clients.institution.reaching import ENROLMENT, place, server_certificate
from federation.enrolment import MAX_APPLICATION_BYTES, WITNESS_LABEL, node_proof_payload
from federation.errors import ConfigurationError
from federation.runtime import rpc
from federation.runtime.closing import Closing
from federation.runtime.node_keys import prove_flower_key
from federation.runtime.pki import (
    MEMBER_LIFETIME,
    certificate_fingerprint,
    load_certificate,
    load_request,
    member_of,
    signing_request,
    verify_issued,
)
from federation.runtime.private_files import read_private
from protocols.envelope import open_envelope, seal
from protocols.errors import MessageError, SignatureError
from protocols.signing import VerifyingKey
from protocols.wire import membership_pb2 as wire
from protocols.wire.training_pb2 import Envelope

Clock = Callable[[], datetime]
TIMEOUT = 10.0
MAX_ROSTER_BYTES = 4 * 2**20
_SERVICES = wire.DESCRIPTOR.services_by_name
M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Standing:
    """Where an application stands: pending, admitted, rejected or revoked."""

    institution: str
    state: str
    fingerprint: str


def pin_authority(address: str, pin: str, *, timeout: float = TIMEOUT) -> bytes:
    """The coordinator's authority (PEM): read from the file `pin`, or fetched and held against the fingerprint `pin`.

    Raises SignatureError if the coordinator's authority has another fingerprint, Unreachable if nobody answers,
    ConfigurationError for a pin that is neither.
    """
    fingerprint = pin.replace(":", "").replace(" ", "").lower()
    if len(fingerprint) != 64 or not set(fingerprint) <= set("0123456789abcdef"):
        return _authority_file(Path(pin))
    announcement = _announced_by_stranger(address, timeout)
    found = certificate_fingerprint(announcement.authority)
    if not hmac.compare_digest(found, fingerprint):
        expected = f"{fingerprint}: ask its operator again, not over this network; somebody may be in between"
        raise SignatureError(f"authority of the {place(address)}", got=f"fingerprint {found}", expected=expected)
    return announcement.authority


class Enrolment(Closing):
    """One institution's conversation with one coordinator, over TLS under the pinned `authority`."""

    def __init__(self, home: InstitutionHome, address: str, authority: bytes, clock: Clock) -> None:
        self._home = home
        self._address = address
        self._authority = authority
        self._clock = clock
        self._stack = ExitStack()
        credentials = rpc.client_tls(authority)
        self._channel = self._stack.enter_context(
            rpc.dial(address, credentials=credentials, max_bytes=MAX_APPLICATION_BYTES)
        )
        self._coordinator: wire.Announcement | None = None

    def close(self) -> None:
        self._stack.close()

    @property
    def coordinator(self) -> wire.Announcement:
        """What the coordinator says of itself. Raises Unreachable if nobody is there, or somebody whom the pinned
        authority does not vouch for, SignatureError if it announces another.
        """
        if self._coordinator is None:
            server_certificate(self._address, TIMEOUT)
            said = _announcement(self._channel, self._address, TIMEOUT)
            if said.authority != self._authority:
                where = f"authority of the {place(self._address)}"
                raise SignatureError(where, got="another certificate", expected="the pinned one")
            self._coordinator = said
        return self._coordinator

    def apply(self, catalogue_hash: str, features: tuple[str, ...]) -> Standing:
        """Send the application. Raises Refused (the coordinator's reason) or Unreachable."""
        request = application(self._home, self._authority, catalogue_hash, features, self._clock())
        reply = self._ask("Enrol", request, wire.EnrolReply)
        return self._standing(reply.institution, reply.state)

    def collect(self) -> Standing:
        """Where the application stands; when admitted, check and store the certificate and pin the coordinator."""
        home = self._home
        request = wire.CollectRequest(
            institution=home.name, authority=_digest_of(self._authority), made_ms=_ms(self._clock())
        )
        reply = self._ask("Collect", request, wire.CollectReply)
        if reply.state == wire.ADMITTED:
            check_certificate(reply.certificate, home, self._authority, self._clock())
            home.save_certificate(reply.certificate, self._authority)
            home.save_coordinator(identity(self.coordinator))
        return self._standing(reply.institution, reply.state)

    def _ask(self, method: str, message: Message, reply: type[M]) -> M:
        key, sealed = VerifyingKey(self.coordinator.key), Envelope.FromString(seal(message, self._home.signing_key))
        try:
            return _ask(self._channel, "Enrolment", method, sealed, reply, key)
        except rpc.Unreachable as error:
            where = f"{place(self._address)}: {method}"
            raise rpc.Unreachable(where, got=error.got, expected=error.expected) from error

    def _standing(self, institution: str, state: wire.State) -> Standing:
        if institution != self._home.name:
            raise MessageError("reply.institution", got=institution[:64], expected=self._home.name)
        return Standing(institution, wire.State.Name(state).lower(), self._home.fingerprint)


class Member:
    """What an admitted institution may ask: the roster, and a fresh certificate. Mutual TLS."""

    def __init__(self, home: InstitutionHome, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        self._pinned = home.coordinator()

    def roster(self) -> wire.Roster:
        """The admitted members as the coordinator signs them. Raises Refused once this institution is revoked."""
        with self._dial() as channel:
            return _ask(channel, "Membership", "Roster", wire.RosterRequest(), wire.Roster, self._home.coordinator_key)

    def renew_if_due(self, *, left: timedelta = MEMBER_LIFETIME / 3) -> bool:
        """Replace the certificate when less than `left` of it remains; True if it was replaced."""
        home, now = self._home, self._clock()
        if load_certificate((home.keys / "tls.crt").read_bytes()).not_valid_after_utc - now > left:
            return False
        authority = (home.keys / "ca.crt").read_bytes()
        request = wire.RenewRequest(
            request=signing_request(read_private(home.keys / "tls.key"), home.name),
            authority=_digest_of(authority),
            made_ms=_ms(now),
        )
        sealed = Envelope.FromString(seal(request, home.signing_key))
        with self._dial() as channel:
            reply = _ask(channel, "Membership", "Renew", sealed, wire.RenewReply, home.coordinator_key)
        check_certificate(reply.certificate, home, authority, self._clock())
        home.save_certificate(reply.certificate, authority)
        return True

    def _dial(self) -> AbstractContextManager[grpc.Channel]:
        keys = self._home.keys
        credentials = rpc.client_tls(
            (keys / "ca.crt").read_bytes(), key=read_private(keys / "tls.key"), chain=(keys / "tls.crt").read_bytes()
        )
        return rpc.dial(self._pinned.member_address, credentials=credentials, max_bytes=MAX_ROSTER_BYTES)


def application(
    home: InstitutionHome, authority: bytes, catalogue_hash: str, features: tuple[str, ...], now: datetime
) -> wire.EnrolRequest:
    """The request for `home`, with a proof for each of its four keys, good for this authority only."""
    pin, key, witness = _digest_of(authority), home.signing_key.public.raw, home.witness_key
    payload = node_proof_payload(home.name, key, pin)
    return wire.EnrolRequest(
        institution=home.name,
        key=key,
        request=signing_request(read_private(home.keys / "tls.key"), home.name),
        node_key=(home.keys / "flower_key.pub").read_bytes(),
        node_proof=prove_flower_key(read_private(home.keys / "flower_key"), payload),
        catalogue_hash=catalogue_hash,
        features=features,
        nominal_records=home.settings.nominal_records,
        authority=pin,
        nonce=secrets.token_bytes(16),
        made_ms=_ms(now),
        witness_key=witness.public.raw,
        witness_proof=witness.sign(WITNESS_LABEL, payload),
    )


def check_certificate(chain: bytes, home: InstitutionHome, authority: bytes, now: datetime) -> None:
    """Raises SignatureError unless `chain` is the authority's, valid, names this institution and holds its TLS key."""
    leaf = verify_issued(chain, authority, now)
    if member_of(chain) != home.name:
        raise SignatureError("certificate", got=member_of(chain)[:64], expected=home.name)
    own = signing_request(read_private(home.keys / "tls.key"), home.name)
    if load_request(own).public_key() != leaf.public_key():
        raise SignatureError("certificate", got="one for another key", expected="one for this institution's TLS key")


def identity(announcement: wire.Announcement) -> CoordinatorIdentity:
    """What an institution pins of an announcement."""
    return CoordinatorIdentity(
        name=announcement.name,
        key=announcement.key.hex(),
        authority=certificate_fingerprint(announcement.authority),
        enrolment_address=announcement.enrolment_address,
        member_address=announcement.member_address,
        fleet_address=announcement.fleet_address,
        bundle_hash=announcement.bundle_hash,
        log_key=announcement.log_key.hex(),
    )


def _authority_file(file: Path) -> bytes:
    try:
        pem = file.read_bytes()
    except OSError as error:
        expected = "a fingerprint of 64 hexadecimal digits, or a ca.crt that can be read"
        raise ConfigurationError("--ca", got=f"{file}: {error.strerror}", expected=expected) from error
    load_certificate(pem)
    return pem


def _announced_by_stranger(address: str, timeout: float) -> wire.Announcement:
    """What a server says whom nobody vouches for yet. Its certificate is trusted for this one question only."""
    leaf = server_certificate(address, timeout)
    with rpc.dial(address, credentials=rpc.client_tls(leaf.encode()), max_bytes=MAX_APPLICATION_BYTES) as channel:
        return _announcement(channel, address, timeout)


def _announcement(channel: grpc.Channel, address: str, timeout: float) -> wire.Announcement:
    """What the server at `address` announces. One is there: its TLS was seen. Who fails now is somebody else."""
    try:
        envelope = rpc.ask(channel, _SERVICES["Enrolment"], "Announce", wire.AnnounceRequest(), timeout=timeout)
    except rpc.Unreachable as error:
        got = f"{error.got}: its port serves something else, or its certificate is of another name or authority"
        raise rpc.Unreachable(place(address), got=got, expected=ENROLMENT) from error
    claimed = wire.Announcement.FromString(envelope.body)
    return open_envelope(envelope.SerializeToString(), wire.Announcement, VerifyingKey(claimed.key))


def _ask(channel: grpc.Channel, service: str, method: str, request: Message, reply: type[M], key: VerifyingKey) -> M:
    envelope = rpc.ask(channel, _SERVICES[service], method, request, timeout=TIMEOUT)
    return open_envelope(envelope.SerializeToString(), reply, key)


def _digest_of(authority: bytes) -> bytes:
    return bytes.fromhex(certificate_fingerprint(authority))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
