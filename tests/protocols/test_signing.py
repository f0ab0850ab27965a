"""Ed25519 under a label; RFC 8032 vectors hold for the key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from protocols.errors import SignatureError
from protocols.signing import SigningKey, VerifyingKey


def test_the_public_key_of_rfc_8032_test_1() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    expected = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert SigningKey.from_seed(seed).public.hex == expected


def test_pem_round_trip_and_no_secret_in_repr() -> None:
    key = SigningKey.generate()
    again = SigningKey.from_pem(key.to_pem())
    assert again.public == key.public
    assert repr(key) == f"SigningKey(key_id={key.public.key_id!r})"


def test_a_signature_holds_for_its_label_payload_and_key() -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    signature = key.sign("a", b"payload")
    key.public.verify("a", b"payload", signature)
    for label, payload, by in (("b", b"payload", key), ("a", b"other", key), ("a", b"payload", other)):
        with pytest.raises(SignatureError):
            by.public.verify(label, payload, signature)
    with pytest.raises(SignatureError):
        key.public.verify("a", b"payload", b"short")


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "00" * 33])
def test_a_bad_public_key_is_named(text: str) -> None:
    with pytest.raises(SignatureError, match="public key"):
        VerifyingKey.from_hex(text)


def test_a_bad_private_key_is_named() -> None:
    with pytest.raises(SignatureError, match="PKCS #8"):
        SigningKey.from_pem(b"no key")
    foreign = x25519.X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(SignatureError, match="X25519"):
        SigningKey.from_pem(foreign)
