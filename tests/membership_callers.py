"""Callers of the enrolment and member services: any envelope, any certificate."""

from __future__ import annotations

import pytest
from membership_world import World

from clients.institution.home import InstitutionHome
from federation.errors import Refused
from federation.runtime.private_files import read_private
from federation.runtime.rpc import ask, client_tls, dial
from protocols.wire import membership_pb2 as wire
from protocols.wire.training_pb2 import Envelope

SERVICES = wire.DESCRIPTOR.services_by_name


def enrol(federation: World, envelope: Envelope, method: str = "Enrol") -> Envelope:
    with dial(federation.address, credentials=client_tls(federation.home.authority_pem)) as channel:
        return ask(channel, SERVICES["Enrolment"], method, envelope, timeout=60.0)


def refusal(federation: World, envelope: Envelope, method: str = "Enrol") -> str:
    with pytest.raises(Refused) as caught:
        enrol(federation, envelope, method)
    return caught.value.code


def as_member(federation: World, key: bytes, chain: bytes, authority: bytes | None = None) -> wire.Roster:
    credentials = client_tls(authority or federation.home.authority_pem, key=key, chain=chain)
    with dial(federation.member_address, credentials=credentials) as channel:
        envelope = ask(channel, SERVICES["Membership"], "Roster", wire.RosterRequest(), timeout=60.0)
    return wire.Roster.FromString(envelope.body)


def keys_of(home: InstitutionHome) -> tuple[bytes, bytes]:
    return read_private(home.keys / "tls.key"), (home.keys / "tls.crt").read_bytes()
