"""A recipient's receipt for a sealed letter: a carrier that drops letters has none to show to their sender."""

from __future__ import annotations

from protocols.errors import SignatureError
from protocols.signing import SigningKey, VerifyingKey

LABEL = "fedscore/v1/notice/receipt"


def sign_receipt(name: bytes, key: SigningKey) -> bytes:
    """64 bytes over the carrier's name of a letter, SHA-256 of its bytes."""
    return key.sign(LABEL, name)


def check_receipt(name: bytes, signature: bytes, key: VerifyingKey, recipient: str) -> None:
    """Raises SignatureError unless the `recipient`'s key signed for this letter."""
    try:
        key.verify(LABEL, name, signature)
    except SignatureError as error:
        raise SignatureError("notice receipt", got="one that does not verify", expected=f"{recipient}'s") from error
