"""Everything a stranger or an applicant may try on the real services: each is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from membership_callers import SERVICES, enrol, refusal
from membership_world import World, catalogue, make_institution, world

from clients.institution.enrolment_client import Member, application
from clients.institution.home import InstitutionHome
from federation.enrolment import Application, read_application
from federation.errors import Refused
from federation.runtime import rpc
from federation.runtime.node_keys import new_flower_key
from federation.runtime.pki import new_tls_key, signing_request
from federation.runtime.private_files import read_private
from federation.runtime.rate_limit import RateLimit
from federation.runtime.rpc import Unreachable, ask, client_tls, dial
from protocols.envelope import seal
from protocols.signing import SigningKey
from protocols.wire import membership_pb2 as wire
from protocols.wire.training_pb2 import Envelope
from server.membership import PENDING_MS, PENDING_PER_ORIGIN
from server.membership_service import EnrolmentService


@pytest.fixture
def federation(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def test_an_honest_institution_becomes_a_member(federation: World) -> None:
    home = federation.member("bank-a")
    roster = Member(home, federation.clock).roster()
    assert [(member.institution, member.nominal_records) for member in roster.members] == [("bank-a", 8200)]
    assert roster.members[0].key == home.signing_key.public.raw
    assert home.coordinator_key == federation.home.signing_key.public
    assert [event["kind"] for event in federation.store.events()] == ["applied", "admitted"]


def test_an_application_signed_by_another_key(federation: World) -> None:
    home = federation.institution("bank-a")
    request = wire.EnrolRequest.FromString(federation.sealed(home).body)
    stolen = Envelope.FromString(seal(request, SigningKey.generate()))
    assert refusal(federation, stolen) == "wrong_proof"
    assert federation.store.all() == ()


def test_an_unsigned_application(federation: World) -> None:
    envelope = federation.sealed(federation.institution("bank-a"))
    envelope.signature = b""
    assert refusal(federation, envelope) == "unsigned"


def test_anothers_application_under_ones_own_name(federation: World) -> None:
    """Change one byte of what the victim signed: the signature no longer holds."""
    envelope = federation.sealed(federation.institution("bank-a"))
    envelope.body = envelope.body.replace(b"bank-a", b"bank-b")
    assert refusal(federation, envelope) == "wrong_proof"


def test_a_certificate_request_for_a_key_one_does_not_hold(federation: World) -> None:
    home = federation.institution("bank-a")
    request = bytearray(signing_request(new_tls_key(), "bank-a"))
    request[-1] ^= 1
    assert refusal(federation, federation.sealed(home, request=bytes(request))) == "wrong_proof"


def test_a_node_key_one_does_not_hold(federation: World) -> None:
    victim = new_flower_key()[1]
    home = federation.institution("bank-a")
    assert refusal(federation, federation.sealed(home, node_key=victim)) == "wrong_proof"


def test_a_witness_key_one_does_not_hold(federation: World) -> None:
    """Else a name could be made to cosign by another's key, and two members be one witness."""
    home, other = federation.institution("bank-a"), federation.institution("bank-b")
    stolen = federation.sealed(home, witness_key=other.witness_key.public.raw)
    assert refusal(federation, stolen) == "wrong_proof"
    assert refusal(federation, federation.sealed(home, witness_key=b"")) == "wrong_proof"
    for_another = application(
        other, federation.home.authority_pem, catalogue().hash, catalogue().feature_names, federation.clock()
    )
    proof = {"witness_key": for_another.witness_key, "witness_proof": for_another.witness_proof}
    assert refusal(federation, federation.sealed(home, **proof)) == "wrong_proof"


def test_a_node_proof_made_for_another_name(federation: World) -> None:
    """The proof of possession names the institution, so it cannot be carried over to another."""
    home = federation.institution("bank-a")
    assert refusal(federation, federation.sealed(home, institution="bank-b")) == "wrong_proof"


def test_an_application_meant_for_another_federation(federation: World) -> None:
    home = federation.institution("bank-a")
    assert refusal(federation, federation.sealed(home, authority=bytes(32))) == "other_authority"


def test_another_catalogue(federation: World) -> None:
    home = federation.institution("bank-a")
    assert refusal(federation, federation.sealed(home, catalogue_hash="00" * 32)) == "other_catalogue"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_an_application_made_at_another_time(federation: World, minutes: int) -> None:
    home = federation.institution("bank-a")
    made = int((datetime.now(UTC) + timedelta(minutes=minutes)).timestamp() * 1000)
    assert refusal(federation, federation.sealed(home, made_ms=made)) == "stale"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("institution", "../../etc"),
        ("institution", "Bank"),
        ("institution", ""),
        ("nominal_records", 0),
        ("nominal_records", 2**63),
        ("nonce", b"short"),
        ("features", ()),
        ("features", ("income", "income")),
        ("features", ("<script>",)),
        ("features", tuple(f"f{number}" for number in range(1001))),
    ],
)
def test_fields_outside_their_limits(federation: World, field: str, value: object) -> None:
    home = federation.institution("bank-a")
    assert refusal(federation, federation.sealed(home, **{field: value})) == "invalid"


def test_an_oversized_application_never_reaches_the_parser(federation: World) -> None:
    home = federation.institution("bank-a")
    envelope = federation.sealed(home, features=tuple(f"f{number:060d}" for number in range(1100)))
    with pytest.raises(Unreachable, match="resource_exhausted"):
        enrol(federation, envelope)


@pytest.mark.parametrize("body", [b"", b"\xff" * 40, b"\x0a\x06bank-a"])
def test_bytes_that_are_no_application(federation: World, body: bytes) -> None:
    envelope = Envelope(version=1, kind="EnrolRequest", body=body, signer="x", signature=b"y")
    assert refusal(federation, envelope) in ("unreadable", "invalid")
    assert refusal(federation, Envelope(version=2, kind="EnrolRequest", body=body)) == "unreadable"
    assert refusal(federation, Envelope(version=1, kind="Roster", body=body)) == "unreadable"


def test_a_name_that_somebody_squats(federation: World) -> None:
    """The bank applies all the same, and the fingerprint that it reads to the operator decides."""
    bank, squatter = federation.institution("bank-a"), federation.institution("bank-a", "squatter")
    enrol(federation, federation.sealed(squatter))
    with pytest.raises(Refused) as caught:
        federation.admit("bank-a", bank.fingerprint)
    assert caught.value.code == "wrong_fingerprint"
    assert squatter.fingerprint not in str(caught.value)  # or it would be typed without having been read out
    assert "somebody may be in between" in str(caught.value)
    enrol(federation, federation.sealed(bank))
    with pytest.raises(Refused) as caught:
        federation.store.reject("bank-a", "", federation.desk.now_ms())  # which one?
    assert caught.value.code == "wrong_fingerprint"
    federation.admit("bank-a", bank.fingerprint)
    assert federation.store.member("bank-a").key == bank.signing_key.public
    states = {member.fingerprint: member.state for member in federation.store.all()}
    assert states == {bank.fingerprint: "admitted", squatter.fingerprint: "rejected"}
    assert refusal(federation, federation.sealed(federation.institution("bank-a", "late"))) == "name_taken"
    assert [event["kind"] for event in federation.store.events()][-2:] == ["admitted", "rejected"]


def test_one_of_several_is_rejected_by_its_fingerprint(federation: World) -> None:
    homes = [federation.institution("bank-a"), federation.institution("bank-a", "squatter")]
    for home in homes:
        enrol(federation, federation.sealed(home))
    federation.store.reject("bank-a", "", federation.desk.now_ms(), fingerprint=homes[1].fingerprint)
    federation.store.reject("bank-a", "", federation.desk.now_ms())
    assert {member.state for member in federation.store.all()} == {"rejected"}


def test_one_address_cannot_fill_the_operators_list(federation: World) -> None:
    for number in range(PENDING_PER_ORIGIN):
        enrol(federation, federation.sealed(federation.institution(f"stranger-{number}")))
    bank = federation.sealed(federation.institution("bank-a"))
    assert refusal(federation, bank) == "too_many"
    applied = [member.hash for member in federation.store.all()]
    federation.store.apply(read(federation, bank), federation.desk.now_ms(), origin="192.0.2.7")
    assert len(federation.store.all()) == len(applied) + 1


def test_what_nobody_decides_on_makes_room(federation: World) -> None:
    enrol(federation, federation.sealed(federation.institution("stranger")))
    bank = read(federation, federation.sealed(federation.institution("bank-a")))
    late = federation.desk.now_ms() + PENDING_MS
    with pytest.raises(Refused):
        federation.store.apply(bank, late - 60_000, pending_limit=1)
    federation.store.apply(bank, late, pending_limit=1)
    states = {member.institution: member.state for member in federation.store.all()}
    assert states == {"stranger": "rejected", "bank-a": "pending"}
    assert federation.store.events()[-2]["detail"] == "no decision in time"


def read(federation: World, envelope: Envelope) -> Application:
    return read_application(
        envelope,
        authority=federation.home.authority_fingerprint,
        catalogue_hash=catalogue().hash,
        now_ms=federation.desk.now_ms(),
    )


@pytest.mark.parametrize("fingerprint", ["", "0" * 32, "prefix"])
def test_admission_needs_the_whole_fingerprint(federation: World, fingerprint: str) -> None:
    bank = federation.institution("bank-a")
    enrol(federation, federation.sealed(bank))
    told = bank.fingerprint[:16] if fingerprint == "prefix" else fingerprint
    with pytest.raises(Refused) as caught:
        federation.admit("bank-a", told)
    assert caught.value.code == "wrong_fingerprint"
    assert federation.store.admitted() == ()


def test_a_key_under_a_second_name(federation: World) -> None:
    home = federation.member("bank-a")
    twin = make_institution(federation.folder / "twin", "bank-b")
    for file in ("signing.pem", "flower_key", "flower_key.pub"):
        (twin.keys / file).write_bytes((home.keys / file).read_bytes())
    assert refusal(federation, federation.sealed(InstitutionHome.open(twin.path))) == "key_taken"


def test_a_replayed_application(federation: World) -> None:
    """The same bytes again change nothing; once decided against they are worthless."""
    envelope = federation.sealed(federation.institution("bank-a"))
    enrol(federation, envelope)
    enrol(federation, envelope)
    assert len(federation.store.all()) == 1
    federation.store.reject("bank-a", "", federation.desk.now_ms())
    assert refusal(federation, envelope) == "replayed"


def test_more_applications_than_an_operator_can_look_at(federation: World) -> None:
    for number in range(3):
        home = federation.institution(f"bank-{number}")
        made = read(federation, federation.sealed(home))
        if number < 2:
            federation.store.apply(made, federation.desk.now_ms(), pending_limit=2)
        else:
            with pytest.raises(Refused) as caught:
                federation.store.apply(made, federation.desk.now_ms(), pending_limit=2)
            assert caught.value.code == "too_many"


def test_a_caller_that_floods(federation: World) -> None:
    service = EnrolmentService(
        federation.desk, limit=RateLimit(burst=3, per_second=0.001), applications=RateLimit(burst=1, per_second=0.001)
    )
    credentials = rpc.server_tls(
        read_private(federation.home.keys / "tls.key"), (federation.home.keys / "tls.crt").read_bytes()
    )
    with rpc.serve([rpc.handlers(SERVICES["Enrolment"], service)], "127.0.0.1:0", credentials=credentials) as served:
        tls = client_tls(federation.home.authority_pem)
        with dial(f"127.0.0.1:{served.port}", credentials=tls) as channel:
            codes = []
            for _ in range(5):
                try:
                    ask(channel, SERVICES["Enrolment"], "Announce", wire.AnnounceRequest(), timeout=60.0)
                    codes.append("answered")
                except Refused as refused:
                    codes.append(refused.code)
    assert codes == ["answered"] * 3 + ["too_many"] * 2
