"""Ed25519 under a label; RFC 8032 vectors hold for the key."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis.strategies import binary

from protocols import edwards
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


P = 2**255 - 19
NEUTRAL = bytes([1]) + bytes(31)
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
SMALL_ORDER = [
    NEUTRAL,
    bytes(32),  # order 4
    bytes(31) + b"\x80",
    (P - 1).to_bytes(32, "little"),  # order 2
    ORDER_8,
    ORDER_8[:31] + b"\x85",
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
]


def test_without_the_check_one_signature_of_the_neutral_element_is_one_of_everything() -> None:
    """What libraries take: R neutral, S zero."""
    forged = Ed25519PublicKey.from_public_bytes(NEUTRAL)
    for payload in (b"I spent nothing", b"I spent all"):
        forged.verify(NEUTRAL + bytes(32), payload)


@pytest.mark.parametrize("raw", SMALL_ORDER, ids=bytes.hex)
def test_points_of_small_order_are_no_keys(raw: bytes) -> None:
    """All eight of them ("Taming the many EdDSAs", table 6a)."""
    with pytest.raises(SignatureError, match="prime order"):
        VerifyingKey(raw)
    with pytest.raises(SignatureError, match="prime order"):
        VerifyingKey.from_hex(raw.hex())


@pytest.mark.parametrize("raw", [P.to_bytes(32, "little"), (P + 1).to_bytes(32, "little"), NEUTRAL[:31] + b"\x80"])
def test_a_second_encoding_of_a_point_is_no_key(raw: bytes) -> None:
    with pytest.raises(SignatureError, match="prime order"):
        VerifyingKey(raw)


@given(seed=binary(min_size=32, max_size=32))
def test_a_key_with_a_part_of_small_order_is_refused_and_honest_ones_never(seed: bytes) -> None:
    honest = SigningKey.from_seed(seed).public.raw
    assert edwards.is_public_key(honest)
    key, torsion = edwards._decode(honest), edwards._decode(ORDER_8)
    assert key is not None
    assert torsion is not None
    x, y, z, _ = edwards._add(key, torsion)
    inverse = pow(z, -1, P)
    mixed = (y * inverse % P | (x * inverse % P & 1) << 255).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(mixed)  # decodes: a library takes it
    assert not edwards.is_public_key(mixed)


def test_a_key_in_another_writing_is_refused() -> None:
    text = SigningKey.from_seed(bytes(32)).public.hex
    for other in (text.upper(), f" {text}", f"{text[:32]} {text[32:]}"):
        with pytest.raises(SignatureError, match="lower-case"):
            VerifyingKey.from_hex(other)
