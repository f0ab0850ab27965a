"""The X25519 key that notices to an institution are sealed to, under its signature: no carrier can replace it."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, sized, take, text, version_one
from protocols.signing import SigningKey, VerifyingKey

LABEL = "fedscore/v1/notice/key"
MAX_BYTES = 1024


@dataclass(frozen=True)
class NoticeKey:
    """`public`: 32 bytes. Raises MessageError for a key or a name of another form."""

    institution: str
    public: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_name(self.institution, "notice key.institution")
        sized(self.public, "notice key.public", 32)
        sized(self.signature, "notice key.signature", 64)

    @classmethod
    def sign(cls, institution: str, public: bytes, key: SigningKey) -> NoticeKey:
        return cls(institution, public, key.sign(LABEL, _payload(institution, public)))

    def verify(self, key: VerifyingKey) -> None:
        """Raises SignatureError unless `key`, which a roster names, signed this for this institution."""
        try:
            key.verify(LABEL, _payload(self.institution, self.public), self.signature)
        except SignatureError as error:
            got = f"a signature of somebody else for {self.institution}"
            raise SignatureError("notice key", got=got, expected=f"one by key {key.key_id}") from error

    def encode(self) -> bytes:
        fields = {"institution": self.institution, "public": self.public.hex(), "signature": self.signature.hex()}
        return canonical({"version": 1, **fields})

    @classmethod
    def decode(cls, data: bytes) -> NoticeKey:
        """NOT yet verified. Raises MessageError or EncodingError."""
        if len(data) > MAX_BYTES:
            raise MessageError("notice key", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "notice key", ("version", "institution", "public", "signature"))
        version_one(fields["version"], "notice key")
        return cls(
            text(fields["institution"], "notice key.institution"),
            from_hex(fields["public"], "notice key.public", 32),
            from_hex(fields["signature"], "notice key.signature", 64),
        )


def check_name(name: str, field: str) -> None:
    """An institution's name as rosters have it. Raises MessageError."""
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise MessageError(field, got=f"{len(name)} characters", expected="1 to 64, printable")


def _payload(institution: str, public: bytes) -> bytes:
    return canonical({"institution": institution, "public": public.hex()})
