"""Certificates and keys of a federation: one authority, short-lived certificates, keys made where they stay.

>>> from datetime import datetime, timezone
>>> now = datetime(2030, 1, 1, tzinfo=timezone.utc)
>>> authority = Authority.create("example", now)
>>> key = new_tls_key()
>>> chain = authority.sign_member(signing_request(key, "bank-a"), "bank-a", now)
>>> member_of(chain)
'bank-a'

Keys are P-256 for TLS (X.509, RFC 5280), P-384 for Flower's node authentication (`federation.runtime.node_keys`),
Ed25519 for documents (`protocols.signing`). A member's certificate carries its name as URI fedscore:institution:NAME
and is good for TLS clients only; the coordinator's names its hosts and is good for TLS servers only.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.canonical import digest
from protocols.errors import SignatureError
from protocols.signing import VerifyingKey

AUTHORITY_LIFETIME = timedelta(days=5 * 365)
SERVER_LIFETIME = timedelta(days=90)
MEMBER_LIFETIME = timedelta(days=30)
CLOCK_SKEW = timedelta(minutes=5)
_MEMBER_URI = "fedscore:institution:"


@dataclass(frozen=True)
class Authority:
    """The coordinator's certificate authority. `key` never leaves the coordinator's home."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, name: str, now: datetime) -> Authority:
        """A fresh P-256 authority that may sign leaves only (path length 0)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(f"{name} fedscore authority")
        builder = (
            _builder(subject, subject, key.public_key(), now, now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Authority:
        """Raises SignatureError unless both parse and belong together."""
        parsed = load_certificate(certificate)
        private = _ec_private(key)
        if parsed.public_key() != private.public_key():
            raise SignatureError("authority", got="a key of another certificate", expected="the certificate's own key")
        return cls(parsed, private)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return _private_pem(self.key)

    def sign_server(self, request: bytes, hosts: Sequence[str], now: datetime) -> bytes:
        """A PEM chain (leaf, authority) for a TLS server reached under `hosts` (DNS names or IP addresses)."""
        csr = load_request(request)
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        return self._leaf(csr, hosts[0], names, ExtendedKeyUsageOID.SERVER_AUTH, now, SERVER_LIFETIME)

    def sign_member(self, request: bytes, institution: str, now: datetime) -> bytes:
        """A PEM chain for `institution` as TLS client. The name is the coordinator's decision, not the request's."""
        csr = load_request(request)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_MEMBER_URI + institution)])
        return self._leaf(csr, institution, names, ExtendedKeyUsageOID.CLIENT_AUTH, now, MEMBER_LIFETIME)

    def _leaf(
        self,
        csr: x509.CertificateSigningRequest,
        common_name: str,
        names: x509.SubjectAlternativeName,
        purpose: x509.ObjectIdentifier,
        now: datetime,
        lifetime: timedelta,
    ) -> bytes:
        issuer = self.certificate
        end = min(now + lifetime, issuer.not_valid_after_utc)
        leaf = (
            _builder(_name(common_name), issuer.subject, _ec_public(csr), now, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return leaf.public_bytes(Encoding.PEM) + self.certificate_pem


def new_tls_key() -> bytes:
    """A fresh P-256 private key, PKCS #8 PEM."""
    return _private_pem(ec.generate_private_key(ec.SECP256R1()))


def signing_request(key: bytes, name: str) -> bytes:
    """A PKCS #10 request (DER) for the TLS key `key` (PEM): proves possession of it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_name(name))
    return builder.sign(_ec_private(key), hashes.SHA256()).public_bytes(Encoding.DER)


def load_request(der: bytes) -> x509.CertificateSigningRequest:
    """Raises SignatureError unless `der` is a PKCS #10 request for a P-256 key, signed by that key."""
    try:
        csr = x509.load_der_x509_csr(der)
        valid = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise SignatureError("certificate request", got="unreadable bytes", expected="PKCS #10 in DER") from error
    if not valid:
        raise SignatureError("certificate request", got="a wrong signature", expected="one by the requested key")
    if not isinstance(_ec_public(csr).curve, ec.SECP256R1):
        raise SignatureError("certificate request", got="another curve", expected="P-256")
    return csr


def load_certificate(pem: bytes) -> x509.Certificate:
    """The first certificate of a PEM chain. Raises SignatureError if there is none."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SignatureError("certificate", got="unreadable bytes", expected="X.509 in PEM") from error


def verify_issued(pem: bytes, authority: bytes, now: datetime) -> x509.Certificate:
    """The leaf of `pem`, if `authority` (PEM) issued it and it is valid `now`. Raises SignatureError."""
    leaf = load_certificate(pem)
    try:
        leaf.verify_directly_issued_by(load_certificate(authority))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise SignatureError(
            "certificate", got="one of another authority", expected="the pinned authority's"
        ) from error
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise SignatureError(
            "certificate", got=f"one valid until {leaf.not_valid_after_utc}", expected=f"valid at {now}"
        )
    return leaf


def member_of(pem: bytes) -> str:
    """The institution a member certificate names. Raises SignatureError if it names none."""
    try:
        names = load_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        uris = []
    if len(uris) != 1 or not uris[0].startswith(_MEMBER_URI):
        raise SignatureError("certificate", got="no institution's name", expected=f"one URI {_MEMBER_URI}NAME")
    return uris[0].removeprefix(_MEMBER_URI)


def certificate_fingerprint(pem: bytes) -> str:
    """SHA-256 of the DER certificate, 64 hexadecimal digits."""
    return hashlib.sha256(load_certificate(pem).public_bytes(Encoding.DER)).hexdigest()


def key_fingerprint(key: VerifyingKey) -> str:
    """128 bits of an Ed25519 key's digest in groups of four, to compare out of band: 'c6a1 90f2 ...'."""
    text = digest("fedscore/v1/key-fingerprint", key.raw).hex()[:32]
    return " ".join(text[start : start + 4] for start in range(0, 32, 4))


def same_fingerprint(left: str, right: str) -> bool:
    """Whether two fingerprints agree, whatever their case, spaces or colons. Abbreviations never do."""
    return _bare(left) == _bare(right)


def _ec_private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError("private key", got="unreadable bytes", expected="PKCS #8 PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SignatureError("private key", got=type(key).__name__, expected="an elliptic-curve key")
    return key


def _ec_public(csr: x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    key = csr.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SignatureError("certificate request", got=type(key).__name__, expected="a P-256 key")
    return key


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _bare(fingerprint: str) -> str:
    return "".join(character for character in fingerprint.lower() if character not in " :-")
