"""A signed statement: the one form of whatever a party says in the log that is not signed already in a form of its own.

>>> key = SigningKey.from_seed(bytes(32))
>>> statement = Statement.sign("example", {"claim": 1}, key)
>>> Statement.read(statement.entry).content == {"claim": 1}
True

The body of the entry is {"content", "signature", "signer"}; the signature is over the canonical content under the label
"fedscore/v1/statement/KIND", so that a statement of one kind is none of another. Who may say what is decided by whoever
reads it: `read` proves only that the signer did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency.entry import Entry

_LABEL = "fedscore/v1/statement/"
_FIELDS = {"content", "signature", "signer"}


@dataclass(frozen=True)
class Statement:
    """What `signer` says under `kind`; `content` is a JSON object. Made by `sign` and `read`, which verify it."""

    kind: str
    content: Mapping[str, Any]
    signer: VerifyingKey
    signature: bytes

    @classmethod
    def sign(cls, kind: str, content: Mapping[str, Any], key: SigningKey) -> Statement:
        """Raises EncodingError for a content that canonical JSON cannot carry."""
        return cls(kind, content, key.public, key.sign(_LABEL + kind, canonical(content)))

    @classmethod
    def read(cls, entry: Entry) -> Statement:
        """The statement in a log entry. Raises MessageError (form) or SignatureError."""
        body = parse_canonical(entry.body)
        if not isinstance(body, dict) or set(body) != _FIELDS or not isinstance(body["content"], dict):
            raise MessageError(entry.kind, got="another form", expected="content, signature and signer")
        signer, signature = VerifyingKey.from_hex(str(body["signer"])), _signature(entry.kind, body["signature"])
        signer.verify(_LABEL + entry.kind, canonical(body["content"]), signature)
        return cls(entry.kind, body["content"], signer, signature)

    @property
    def entry(self) -> Entry:
        """As the log stores it. Raises MessageError for a kind or a size that no entry has."""
        signed: dict[str, Any] = {"content": self.content, "signature": self.signature.hex(), "signer": self.signer.hex}
        return Entry(self.kind, canonical(signed))


def _signature(kind: str, value: object) -> bytes:
    try:
        signature = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        signature = b""
    if len(signature) != 64 or signature.hex() != value:
        raise MessageError(f"{kind}.signature", got=str(value)[:32], expected="128 lower case hexadecimal digits")
    return signature
