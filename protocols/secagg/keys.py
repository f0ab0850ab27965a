"""Keys: X25519 (RFC 7748) between two members, HKDF-SHA256 (RFC 5869) for everything made of a secret.

    pair key      of two members, a round and what its vectors are computed from: their pairwise mask. Either makes it;
                  so does who knows one mask key
    self key      of one member and a round: its own mask, from its seed
    channel key   from one member to another: their shares. One for each direction
    coins         of one member and a round: the polynomials its secrets are shared by
    said key      of one member and a round: fingerprints of what it sent

The salt is the set-up's id, which hashes the plan and all adverts; `info` says what the key is for. Keys of masks are
for words of one size: those for words of 4 bytes have labels of their own.
"""

from __future__ import annotations

from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.canonical import JSON, canonical
from protocols.errors import MessageError

Secret: TypeAlias = bytes | X25519PrivateKey  # 32 bytes; or made of them once, by who agrees with many
KEY_BYTES = 32
PAIR = "fedscore/v1/secagg/pair-mask"
SELF = "fedscore/v1/secagg/self-mask"
CHANNEL = "fedscore/v1/secagg/channel"
COINS = "fedscore/v1/secagg/coins"
SAID = "fedscore/v1/secagg/said"


def public_of(secret: bytes) -> bytes:
    """The X25519 public key of 32 secret bytes."""
    return private_of(secret).public_key().public_bytes_raw()


def private_of(secret: Secret) -> X25519PrivateKey:
    """The key of 32 secret bytes. Making it costs as much as agreeing with somebody."""
    return X25519PrivateKey.from_private_bytes(secret) if isinstance(secret, bytes) else secret


def pair_key(
    secret: Secret,
    public: bytes,
    setup_id: bytes,
    number: int,
    one: str,
    other: str,
    basis: bytes = b"",
    word_bytes: int = 8,
) -> bytes:
    """32 bytes, the same for (secret of one, public of other) and the other way round, and in either order of names.

    Another for another `basis`: masks of two members that were told different things do not cancel. Nor do masks of two
    members that take the vector's words for words of different sizes.
    """
    first, second = sorted((one, other))
    return _derive(_agree(secret, public), setup_id, _of_words(PAIR, word_bytes), [number, first, second, basis.hex()])


def self_key(seed: bytes, setup_id: bytes, number: int, name: str, word_bytes: int = 8) -> bytes:
    """32 bytes from a member's seed of round `number`."""
    return _derive(seed, setup_id, _of_words(SELF, word_bytes), [number, name])


def channel_key(secret: Secret, public: bytes, setup_id: bytes, sender: str, receiver: str) -> bytes:
    """32 bytes, the same at both ends; another for the other direction."""
    return _derive(_agree(secret, public), setup_id, CHANNEL, [sender, receiver])


def coins(secret: bytes, setup_id: bytes, number: int, kind: int, length: int) -> bytes:
    """`length` bytes of a keystream for the polynomial that shares one secret: the same whenever they are asked for.

    A member that is asked again must say the same again. Another polynomial under the same channel keys would be sealed
    under a nonce that was used before.
    """
    key = _derive(secret, setup_id, COINS, [number, kind])
    return Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(length))


def said_key(secret: bytes, setup_id: bytes, number: int) -> bytes:
    """32 bytes to know again what was sent in round `number`."""
    return _derive(secret, setup_id, SAID, [number])


def _of_words(label: str, word_bytes: int) -> str:
    return label if word_bytes == 8 else f"{label}-{8 * word_bytes}"


def _agree(secret: Secret, public: bytes) -> bytes:
    try:
        return private_of(secret).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise MessageError("secagg.key", got="a point of small order", expected="an X25519 key") from error


def _derive(secret: bytes, setup_id: bytes, label: str, about: JSON) -> bytes:
    info = label.encode() + b"\x00" + canonical(about)
    return HKDF(SHA256(), KEY_BYTES, salt=setup_id, info=info).derive(secret)
