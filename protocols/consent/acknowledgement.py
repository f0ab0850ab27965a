"""That an institution has a person's revocation: what it says, and the commitment by which the log fixes when.

    said = Acknowledgement("bank-a", revocation.hash, leaf=None, time=now)
    commitment(os.urandom(32), said)                       # logged by bank-a; nobody learns from it whose receipt it is

The order of an acknowledgement and an inquiry is that of their places in the log, never of anybody's clock. Whoever
keeps the institution's key, later or by theft, cannot put an acknowledgement in front of an inquiry that is logged.

The revocation names the receipt (key and serial): an institution may be told of one that it was never shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocols.canonical import canonical, digest
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, integer, sized, take, text, version_one

NONCE_BYTES = 32
_COMMITMENT = "fedscore/v1/consent/acknowledgement"


@dataclass(frozen=True)
class Acknowledgement:
    """`institution` has the revocation with this hash (32 bytes) since `time` (Unix s, its own word). MessageError.

    leaf: hash of the one inquiry that the receipt had served by then, its leaf perhaps on the way to the log; None:
    it had served none, and serves none any more. Without it an honest question on its way would become a breach.
    """

    institution: str
    revocation: bytes
    leaf: bytes | None
    time: int

    def __post_init__(self) -> None:
        if not 0 < len(self.institution) <= 64 or not self.institution.isprintable():
            got = f"{len(self.institution)} characters"
            raise MessageError("acknowledgement.institution", got=got, expected="1 to 64, printable")
        sized(self.revocation, "acknowledgement.revocation", 32)
        if self.leaf is not None:
            sized(self.leaf, "acknowledgement.leaf", 32)
        integer(self.time, "acknowledgement.time")

    def forbids(self, querier: str, leaf: bytes) -> bool:
        """Whether an inquiry with this leaf hash that is logged after the commitment was not permitted any more."""
        return querier == self.institution and leaf != self.leaf

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "institution": self.institution,
            "revocation": self.revocation.hex(),
            "leaf": "" if self.leaf is None else self.leaf.hex(),
            "time": self.time,
        }

    @classmethod
    def from_json(cls, value: Any) -> Acknowledgement:
        fields = take(value, "acknowledgement", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "acknowledgement")
        leaf = text(fields["leaf"], "acknowledgement.leaf")
        return cls(
            text(fields["institution"], "acknowledgement.institution"),
            from_hex(fields["revocation"], "acknowledgement.revocation", 32),
            from_hex(leaf, "acknowledgement.leaf", 32) if leaf else None,
            integer(fields["time"], "acknowledgement.time"),
        )


def commitment(nonce: bytes, said: Acknowledgement) -> bytes:
    """H(nonce, said), 32 bytes: binds, and hides as long as the 32 random bytes of `nonce` are with institution,
    person and whoever she complains to."""
    sized(nonce, "acknowledgement.nonce", NONCE_BYTES)
    return digest(_COMMITMENT, nonce + canonical(said.to_json()))
