from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from federation.runtime import node_keys, pki
from protocols.errors import SignatureError
from protocols.signing import SigningKey

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    return pki.Authority.create("north", NOW)


def member(authority: pki.Authority, name: str = "bank-a", when: datetime = NOW) -> bytes:
    return authority.sign_member(pki.signing_request(pki.new_tls_key(), name), name, when)


def extension(pem: bytes, kind: type[x509.ExtensionType]) -> x509.ExtensionType:
    return pki.load_certificate(pem).extensions.get_extension_for_class(kind).value


def test_an_authority_signs_leaves_only(authority: pki.Authority) -> None:
    basic = extension(authority.certificate_pem, x509.BasicConstraints)
    assert (basic.ca, basic.path_length) == (True, 0)
    assert not extension(member(authority), x509.BasicConstraints).ca


def test_purposes_do_not_overlap(authority: pki.Authority) -> None:
    server = authority.sign_server(
        pki.signing_request(pki.new_tls_key(), "x"), ["coordinator.example", "10.0.0.7"], NOW
    )
    assert list(extension(server, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert list(extension(member(authority), x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_a_server_certificate_names_its_hosts(authority: pki.Authority) -> None:
    pem = authority.sign_server(pki.signing_request(pki.new_tls_key(), "x"), ["coordinator.example", "::1"], NOW)
    names = extension(pem, x509.SubjectAlternativeName)
    assert names.get_values_for_type(x509.DNSName) == ["coordinator.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["::1"]
    with pytest.raises(SignatureError, match="no institution's name"):
        pki.member_of(pem)


def test_the_name_in_a_certificate_is_the_authoritys_decision(authority: pki.Authority) -> None:
    request = pki.signing_request(pki.new_tls_key(), "bank-b")
    assert pki.member_of(authority.sign_member(request, "bank-a", NOW)) == "bank-a"


def test_certificates_are_short_lived_and_end_before_their_authority(authority: pki.Authority) -> None:
    leaf = pki.load_certificate(member(authority))
    assert leaf.not_valid_after_utc == NOW + pki.MEMBER_LIFETIME
    late = pki.load_certificate(member(authority, when=NOW + pki.AUTHORITY_LIFETIME - timedelta(days=2)))
    assert late.not_valid_after_utc == authority.certificate.not_valid_after_utc


@pytest.mark.parametrize("days", [-1, 31])
def test_a_certificate_outside_its_time(authority: pki.Authority, days: int) -> None:
    with pytest.raises(SignatureError, match="valid"):
        pki.verify_issued(member(authority), authority.certificate_pem, NOW + timedelta(days=days))


def test_a_certificate_of_another_authority(authority: pki.Authority) -> None:
    pki.verify_issued(member(authority), authority.certificate_pem, NOW)
    namesake = pki.Authority.create("north", NOW)
    with pytest.raises(SignatureError, match="another authority"):
        pki.verify_issued(member(namesake), authority.certificate_pem, NOW)


def test_an_authority_survives_its_files(authority: pki.Authority) -> None:
    again = pki.Authority.from_pem(authority.certificate_pem, authority.key_pem)
    pki.verify_issued(member(again), authority.certificate_pem, NOW)
    with pytest.raises(SignatureError, match="another certificate"):
        pki.Authority.from_pem(authority.certificate_pem, pki.new_tls_key())


def test_unreadable_material_is_named() -> None:
    for read in (pki.load_certificate, pki.load_request, lambda pem: pki.signing_request(pem, "x")):
        with pytest.raises(SignatureError, match="unreadable"):
            read(b"nothing")
    with pytest.raises(SignatureError, match="no institution's name"):
        pki.member_of(pki.Authority.create("north", NOW).certificate_pem)
    with pytest.raises(SignatureError, match="elliptic"):
        pki.signing_request(SigningKey.generate().to_pem(), "x")


def csr(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, algorithm).public_bytes(Encoding.DER)


def test_requests_for_other_kinds_of_key_are_refused() -> None:
    with pytest.raises(SignatureError, match="another curve"):
        pki.load_request(csr(ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(SignatureError, match="P-256"):
        pki.load_request(csr(ed25519.Ed25519PrivateKey.generate()))


def test_a_request_whose_signature_does_not_hold() -> None:
    der = bytearray(pki.signing_request(pki.new_tls_key(), "bank-a"))
    at = der.index(b"bank-a")
    der[at : at + 6] = b"bank-b"
    with pytest.raises(SignatureError, match="wrong signature"):
        pki.load_request(bytes(der))


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_readers(data: bytes) -> None:
    for read in (pki.load_certificate, pki.load_request, node_keys.flower_public_pem, pki.member_of):
        with pytest.raises(SignatureError):
            read(data)


def test_a_node_key_proves_itself() -> None:
    private, public = node_keys.new_flower_key()
    proof = node_keys.prove_flower_key(private, b"payload")
    node_keys.verify_flower_key(public, b"payload", proof)
    for key, payload in ((public, b"other"), (node_keys.new_flower_key()[1], b"payload")):
        with pytest.raises(SignatureError, match="does not verify"):
            node_keys.verify_flower_key(key, payload, proof)


def test_a_node_key_is_what_flower_reads() -> None:
    private, public = node_keys.new_flower_key()
    assert private.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    assert public.startswith(b"ecdsa-sha2-nistp384 ")
    assert node_keys.flower_public_pem(public).startswith(b"-----BEGIN PUBLIC KEY-----")


def test_other_node_keys_are_refused() -> None:
    p256 = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(SignatureError, match="P-384"):
        node_keys.flower_public_pem(p256.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    rsa_like = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    for private in (rsa_like, b"nothing"):
        with pytest.raises(SignatureError, match="P-384"):
            node_keys.prove_flower_key(private, b"")


def test_fingerprints_compare_as_people_type_them() -> None:
    told = pki.key_fingerprint(SigningKey.from_seed(bytes(32)).public)
    assert len(told.split()) == 8
    assert pki.same_fingerprint(told, told.upper().replace(" ", ":"))
    assert not pki.same_fingerprint(told, told[:-1])
    assert not pki.same_fingerprint(told, pki.key_fingerprint(SigningKey.generate().public))
