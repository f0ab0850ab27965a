"""What a person holds of a revocation: the institution's acknowledgement, with its place in the log; and her complaint.

    acknowledged = Acknowledged(said, nonce, RevocationTaken(...).entry(key), promise)      # the institution, to her
    acknowledged.check(revocation, "bank-a")                    # the wallet: it is about this revocation, and in order
    Complaint(revocation, acknowledged).encode()                # she, to the regulator

Nothing of it needs another signature: the log entry is signed by the institution, and commits to what was said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from federation.oversight.inquiries import RevocationTaken
from protocols.canonical import canonical, parse_canonical
from protocols.consent.acknowledgement import NONCE_BYTES, Acknowledgement, commitment
from protocols.consent.receipt import SignedRevocation
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, sized, take, version_one
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, Promise, Statement

MAX_BYTES = 8192


@dataclass(frozen=True)
class Acknowledged:
    """`entry`: that the institution logged; `promise`: the log's, with the entry's place. Raises MessageError."""

    said: Acknowledgement
    nonce: bytes = field(repr=False)
    entry: Entry
    promise: Promise

    def __post_init__(self) -> None:
        sized(self.nonce, "acknowledgement.nonce", NONCE_BYTES)

    @property
    def taken(self) -> RevocationTaken:
        """What the log holds where the institution said this."""
        return RevocationTaken(self.said.institution, commitment(self.nonce, self.said).hex())

    @property
    def signer(self) -> VerifyingKey:
        """What signed the entry; whose key that is, the roster in the log says. Raises MessageError, SignatureError."""
        return Statement.read(self.entry).signer

    def check(self, revocation: SignedRevocation, querier: str) -> None:
        """That it acknowledges `revocation` in the name of `querier`, and that entry and promise are about it.

        Raises MessageError or SignatureError. Not asked here: whose key signed, and whether the promise is the log's.
        """
        if self.said.institution != querier:
            raise MessageError("acknowledgement.institution", got=self.said.institution, expected=querier)
        if self.said.revocation != revocation.hash:
            raise MessageError("acknowledgement.revocation", got="another one's", expected="this revocation's")
        if RevocationTaken.read(self.entry, self.signer) != self.taken:
            raise MessageError("acknowledgement.entry", got="another commitment", expected="one to what is said")
        if self.promise.leaf_hash != self.entry.hash:
            raise SignatureError("acknowledgement.promise", got="another entry's", expected="this entry's")

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "said": self.said.to_json(),
            "nonce": self.nonce.hex(),
            "statement": parse_canonical(self.entry.body),
            "promise": parse_canonical(self.promise.encode()),
        }

    @classmethod
    def from_json(cls, value: Any) -> Acknowledged:
        fields = take(value, "acknowledged", ("version", "said", "nonce", "statement", "promise"))
        version_one(fields["version"], "acknowledged")
        return cls(
            Acknowledgement.from_json(fields["said"]),
            from_hex(fields["nonce"], "acknowledgement.nonce", NONCE_BYTES),
            Entry(RevocationTaken.kind, canonical(fields["statement"])),
            Promise.decode(canonical(fields["promise"])),
        )

    def encode(self) -> bytes:
        return canonical(self.to_json())

    @classmethod
    def decode(cls, data: bytes) -> Acknowledged:
        """NOT yet checked. Raises MessageError or EncodingError."""
        return cls.from_json(_parse(data, "acknowledged"))


@dataclass(frozen=True)
class Complaint:
    """A revocation, and that the institution had it, if it said so: what a spot check judges by."""

    revocation: SignedRevocation
    acknowledged: Acknowledged | None

    def encode(self) -> bytes:
        shown = None if self.acknowledged is None else self.acknowledged.to_json()
        revocation = parse_canonical(self.revocation.encode())
        return canonical({"version": 1, "revocation": revocation, "acknowledged": shown})

    @classmethod
    def decode(cls, data: bytes) -> Complaint:
        """NOT yet verified. Raises MessageError, EncodingError or SignatureError (what is no key)."""
        fields = take(_parse(data, "complaint"), "complaint", ("version", "revocation", "acknowledged"))
        version_one(fields["version"], "complaint")
        shown = fields["acknowledged"]
        revocation = SignedRevocation.decode(canonical(fields["revocation"]))
        return cls(revocation, None if shown is None else Acknowledged.from_json(shown))


def _parse(data: bytes, name: str) -> Any:
    if len(data) > MAX_BYTES:
        raise MessageError(name, got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
    return parse_canonical(data)
