"""Everything a thief, a former member or a false coordinator may try with certificates: each is refused by name."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from membership_callers import SERVICES, as_member, keys_of, refusal
from membership_world import World, catalogue, world

from clients.institution.enrolment_client import Enrolment, Member, pin_authority
from federation.errors import Refused
from federation.runtime.pki import Authority, certificate_fingerprint, new_tls_key, signing_request
from federation.runtime.private_files import read_private
from federation.runtime.rpc import Unreachable, ask, client_tls, dial
from protocols.envelope import seal
from protocols.errors import SignatureError
from protocols.signing import SigningKey
from protocols.wire import membership_pb2 as wire
from protocols.wire.training_pb2 import Envelope


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_collecting_anothers_certificate(federation: World) -> None:
    federation.member("bank-a")
    stranger = federation.institution("bank-a", "stranger")
    with federation.enrolment(stranger) as enrolment, pytest.raises(Refused) as caught:
        enrolment.collect()
    assert caught.value.code == "unknown"


def test_collecting_with_the_victims_key_id(federation: World) -> None:
    """The lookup goes by the key id that the envelope claims; the signature must still hold."""
    victim = federation.member("bank-a")
    request = wire.CollectRequest(
        institution="bank-a",
        authority=bytes.fromhex(federation.home.authority_fingerprint),
        made_ms=federation.desk.now_ms(),
    )
    envelope = Envelope.FromString(seal(request, SigningKey.generate()))
    envelope.signer = victim.signing_key.public.key_id
    assert refusal(federation, envelope, "Collect") == "wrong_proof"
    envelope.signature = b""
    assert refusal(federation, envelope, "Collect") == "unsigned"


def test_nothing_is_collected_before_admission(federation: World) -> None:
    home = federation.institution("bank-a")
    with federation.enrolment(home) as enrolment:
        enrolment.apply(catalogue().hash, catalogue().feature_names)
        assert enrolment.collect().state == "pending"
    assert not (home.keys / "tls.crt").exists()


def test_the_member_service_without_a_certificate(federation: World) -> None:
    with (
        dial(federation.member_address, credentials=client_tls(federation.home.authority_pem)) as channel,
        pytest.raises(Unreachable, match="unavailable"),
    ):
        ask(channel, SERVICES["Membership"], "Roster", wire.RosterRequest(), timeout=60.0)


def test_a_certificate_of_another_authority(federation: World) -> None:
    federation.member("bank-a")
    key, other = new_tls_key(), Authority.create("coordinator", datetime.now(UTC))
    chain = other.sign_member(signing_request(key, "bank-a"), "bank-a", datetime.now(UTC))
    with pytest.raises(Unreachable, match="unavailable"):
        as_member(federation, key, chain)


def test_the_coordinators_own_server_certificate_is_no_member(federation: World) -> None:
    """Its purpose is serverAuth, so TLS itself turns it away."""
    keys = federation.home.keys
    with pytest.raises(Unreachable, match="unavailable"):
        as_member(federation, read_private(keys / "tls.key"), (keys / "tls.crt").read_bytes())


def test_a_member_is_out_the_moment_it_is_revoked(federation: World) -> None:
    home = federation.member("bank-a")
    key, chain = keys_of(home)
    assert len(as_member(federation, key, chain).members) == 1
    federation.store.revoke("bank-a", "key lost", federation.desk.now_ms())
    with pytest.raises(Refused) as caught:
        as_member(federation, key, chain)
    assert caught.value.code == "revoked"
    with pytest.raises(Refused) as caught:
        Member(home, federation.clock).renew_if_due(left=timedelta(days=365))
    assert caught.value.code == "revoked"
    with federation.enrolment(home) as enrolment:
        assert enrolment.collect().state == "revoked"
    assert refusal(federation, federation.sealed(home)) == "key_taken"


def test_the_certificate_of_an_earlier_holder_of_the_name(federation: World) -> None:
    first = federation.member("bank-a")
    federation.store.revoke("bank-a", "", federation.desk.now_ms())
    federation.member("bank-a", "second")
    with pytest.raises(Refused) as caught:
        as_member(federation, *keys_of(first))
    assert caught.value.code == "not_a_member"


def test_a_stolen_tls_key_does_not_prolong_itself(federation: World) -> None:
    home = federation.member("bank-a")
    key, chain = keys_of(home)
    request = wire.RenewRequest(
        request=signing_request(key, "bank-a"),
        authority=bytes.fromhex(federation.home.authority_fingerprint),
        made_ms=federation.desk.now_ms(),
    )
    envelope = Envelope.FromString(seal(request, SigningKey.generate()))
    credentials = client_tls(federation.home.authority_pem, key=key, chain=chain)
    with dial(federation.member_address, credentials=credentials) as channel, pytest.raises(Refused) as caught:
        ask(channel, SERVICES["Membership"], "Renew", envelope, timeout=60.0)
    assert caught.value.code == "wrong_proof"


def test_a_renewal_without_possession_of_the_new_key(federation: World) -> None:
    home = federation.member("bank-a")
    request = wire.RenewRequest(
        request=b"nonsense",
        authority=bytes.fromhex(federation.home.authority_fingerprint),
        made_ms=federation.desk.now_ms(),
    )
    key, chain = keys_of(home)
    credentials = client_tls(federation.home.authority_pem, key=key, chain=chain)
    with dial(federation.member_address, credentials=credentials) as channel, pytest.raises(Refused) as caught:
        ask(
            channel,
            SERVICES["Membership"],
            "Renew",
            Envelope.FromString(seal(request, home.signing_key)),
            timeout=60.0,
        )
    assert caught.value.code == "wrong_proof"


def test_a_coordinator_under_another_authority_hears_nothing(federation: World, tmp_path: Path) -> None:
    home = federation.institution("bank-a")
    with world(tmp_path / "impostor") as impostor:
        with pytest.raises(SignatureError, match="fingerprint"):
            pin_authority(impostor.address, federation.home.authority_fingerprint)
        with (
            Enrolment(home, impostor.address, federation.home.authority_pem, federation.clock) as enrolment,
            pytest.raises(Unreachable, match="another name or authority"),
        ):
            enrolment.apply(catalogue().hash, catalogue().feature_names)
        assert impostor.store.all() == ()


def test_pinning_accepts_fingerprint_and_file(federation: World) -> None:
    pem = federation.home.authority_pem
    pin = certificate_fingerprint(pem)
    spaced = ":".join(pin[start : start + 2] for start in range(0, 64, 2)).upper()
    assert pin_authority(federation.address, pin) == pem
    assert pin_authority(federation.address, spaced) == pem
    assert pin_authority(federation.address, str(federation.home.keys / "ca.crt")) == pem


def test_the_authority_is_not_a_server_certificate(federation: World) -> None:
    """What a stranger is shown on the port is the leaf; pinning the leaf is not pinning the authority."""
    host, port = federation.address.split(":")
    leaf = ssl.get_server_certificate((host, int(port)))
    with pytest.raises(SignatureError, match="fingerprint"):
        pin_authority(federation.address, certificate_fingerprint(leaf.encode()))
