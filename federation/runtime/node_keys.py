"""The keys by which Flower knows a training node: P-384, in OpenSSH form, as Flower 1.41 reads them.

>>> private, public = new_flower_key()
>>> verify_flower_key(public, b"whose it is", prove_flower_key(private, b"whose it is"))
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
    load_ssh_public_key,
)

from protocols.canonical import digest
from protocols.errors import SignatureError


def new_flower_key() -> tuple[bytes, bytes]:
    """A fresh P-384 key for Flower's node authentication: (private, public), both in OpenSSH form."""
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"


def flower_public_pem(openssh: bytes) -> bytes:
    """The node key as SubjectPublicKeyInfo PEM, the form in which Flower stores it. Raises SignatureError."""
    return _flower_public(openssh).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def prove_flower_key(private: bytes, payload: bytes) -> bytes:
    """ECDSA (SHA-384) by the node key over `payload` under its own label: proof of possession."""
    try:
        key = load_ssh_private_key(private, password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("node key", got="unreadable bytes", expected="an OpenSSH P-384 key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SignatureError("node key", got=type(key).__name__, expected="an OpenSSH P-384 key")
    return key.sign(digest(_NODE_PROOF, payload), ec.ECDSA(hashes.SHA384()))


def verify_flower_key(public: bytes, payload: bytes, proof: bytes) -> None:
    """Raises SignatureError unless `proof` is by the holder of `public` (OpenSSH) over `payload`."""
    try:
        _flower_public(public).verify(proof, digest(_NODE_PROOF, payload), ec.ECDSA(hashes.SHA384()))
    except InvalidSignature as error:
        raise SignatureError(
            "node key proof", got="one that does not verify", expected="one by the node key"
        ) from error


_NODE_PROOF = "fedscore/v1/node-key-proof"


def _flower_public(openssh: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_ssh_public_key(openssh)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("node key", got="unreadable bytes", expected="an OpenSSH P-384 key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise SignatureError("node key", got=type(key).__name__, expected="an OpenSSH P-384 key")
    return key
