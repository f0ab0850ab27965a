"""One sealed notice: signed inside, padded to one size, sealed (HPKE, RFC 9180) for one recipient of one sender.

    plaintext = length (4 bytes, big endian) || canonical letter || signature (64) || zeros          PLAIN_BYTES in all

The signature is inside: the carrier cannot tell by it what it carries, and the recipient can show who said it. Sender
and recipient are in what is signed and in the seal's `info`: nobody passes a letter on as his own, or to somebody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, integer, sized, take, text, version_one
from protocols.lookup.seal import OVERHEAD, open_sealed, seal
from protocols.notices.key import check_name
from protocols.signing import SigningKey, VerifyingKey

LABEL = "fedscore/v1/notice/letter"
MAX_LEAVES = 24
PLAIN_BYTES = 2560
SEALED_BYTES = PLAIN_BYTES + OVERHEAD
_INFO = b"fedscore/v1/notice/seal\x00"


class Change(StrEnum):
    """What became of the record that was asked about; NONE in a letter that says nothing."""

    CORRECTED = "corrected"
    ERASED = "erased"
    NONE = "none"


@dataclass(frozen=True)
class Letter:
    """`leaves`: hashes of the recipient's inquiries, 32 bytes each, none in a letter that says nothing.

    after_epoch: the counter of the last epoch that has the old record; asking again helps in a later one.
    decided: the day of the decision, days since 1970-01-01. name: 16 random bytes, so that a letter counts once.
    Raises MessageError for a field of another form.
    """

    sender: str
    recipient: str
    change: Change
    leaves: tuple[bytes, ...]
    after_epoch: int
    decided: int
    name: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.sender, "letter.sender")
        check_name(self.recipient, "letter.recipient")
        if (self.change is Change.NONE) != (not self.leaves) or len(self.leaves) > MAX_LEAVES:
            got = f"{self.change}, {len(self.leaves)} inquiries"
            raise MessageError("letter.leaves", got=got, expected=f"none, or a change and 1 to {MAX_LEAVES}")
        for leaf in self.leaves:
            sized(leaf, "letter.leaves", 32)
        sized(self.name, "letter.name", 16)
        integer(self.after_epoch, "letter.after_epoch")
        integer(self.decided, "letter.decided")

    def seal(self, key: SigningKey, public: bytes) -> bytes:
        """SEALED_BYTES for the holder of the X25519 key `public`. Raises MessageError for a key of small order."""
        payload = canonical(self._fields())
        signed = len(payload).to_bytes(4, "big") + payload + key.sign(LABEL, payload)
        return seal(public, signed.ljust(PLAIN_BYTES, b"\0"), _info(self.sender, self.recipient))

    @classmethod
    def open(
        cls, sealed: bytes, private: X25519PrivateKey, sender_key: VerifyingKey, *, sender: str, recipient: str
    ) -> Letter:
        """Raises MessageError (not sealed for `recipient` by `sender`'s name, another form) or SignatureError."""
        sized(sealed, "letter", SEALED_BYTES)
        plain = open_sealed(private, sealed, _info(sender, recipient))
        size = int.from_bytes(plain[:4], "big")
        if 4 + size + 64 > PLAIN_BYTES or any(plain[4 + size + 64 :]):
            raise MessageError("letter", got="another form", expected="a letter, its signature, zeros")
        payload = plain[4 : 4 + size]
        sender_key.verify(LABEL, payload, plain[4 + size : 4 + size + 64])
        letter = cls._read(parse_canonical(payload))
        if (letter.sender, letter.recipient) != (sender, recipient):
            raise MessageError("letter", got=f"one from {letter.sender}", expected=f"{sender} to {recipient}")
        return letter

    def _fields(self) -> dict[str, Any]:
        return {
            "version": 1,
            "sender": self.sender,
            "recipient": self.recipient,
            "change": str(self.change),
            "leaves": [leaf.hex() for leaf in self.leaves],
            "after_epoch": self.after_epoch,
            "decided": self.decided,
            "name": self.name.hex(),
        }

    @classmethod
    def _read(cls, value: Any) -> Letter:
        fields = take(value, "letter", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "letter")
        if fields["change"] not in set(Change) or not isinstance(fields["leaves"], list):
            raise MessageError("letter.change", got="another form", expected=f"one of {', '.join(Change)}, and a list")
        return cls(
            sender=text(fields["sender"], "letter.sender"),
            recipient=text(fields["recipient"], "letter.recipient"),
            change=Change(fields["change"]),
            leaves=tuple(from_hex(leaf, "letter.leaves", 32) for leaf in fields["leaves"]),
            after_epoch=integer(fields["after_epoch"], "letter.after_epoch"),
            decided=integer(fields["decided"], "letter.decided"),
            name=from_hex(fields["name"], "letter.name", 16),
        )


def empty_letter(sender: str, recipient: str, random: Callable[[int], bytes]) -> Letter:
    """A letter that says nothing: nobody but its recipient can tell it from another."""
    return Letter(sender, recipient, Change.NONE, (), 0, 0, random(16))


def letter_name(sealed: bytes) -> bytes:
    """What the carrier calls a letter: SHA-256 of its bytes."""
    return hashlib.sha256(sealed).digest()


def _info(sender: str, recipient: str) -> bytes:
    return _INFO + canonical([sender, recipient])
