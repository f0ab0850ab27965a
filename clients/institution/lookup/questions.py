"""A question, its answer, and how what goes wrong becomes a typed outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from federation.errors import FederationError, Refused
from federation.lookup.outcome import Outcome, Unavailable
from federation.lookup.record import JointSum
from federation.runtime.rpc import Unreachable
from protocols.consent.receipt import Inquiry
from protocols.errors import ProtocolError
from protocols.lookup.fault import Fault
from protocols.wire import lookup_pb2 as wire

RELAY, POOL = "relay", "pool"
ASKED, RECEIPT = ("subject", "purpose"), "receipt"
"""Columns of a file of questions; the last one where they need consent."""


@dataclass(frozen=True)
class Question:
    """Whom it is about, what for, and the person's consent document (empty: none was given). It serves once."""

    subject: str = field(repr=False)
    purpose: str
    receipt: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Answer:
    """What came of one question. `joint`: the members' sum, where there is one; never in a repr, as the outcome.

    inquiry: whether the person's receipt says it is a hard or a soft one; None where no consent is needed.
    """

    question: Question
    outcome: Outcome = field(repr=False)
    joint: JointSum | None = field(default=None, repr=False)
    leaf_hash: bytes = b""
    inquiry: Inquiry | None = None

    @property
    def available(self) -> bool:
        return not isinstance(self.outcome, Unavailable)

    def to_json(self) -> dict[str, Any]:
        """The outcome, the purpose, the kind of inquiry, and the leaf under which the question is logged."""
        asked = {"purpose": self.question.purpose, "inquiry": self.inquiry, "leaf": self.leaf_hash.hex() or None}
        return self.outcome.to_json() | asked


def unavailable(error: FederationError | ProtocolError, party: str) -> Unavailable:
    """Why there is no answer, after an `error` in what `party` was asked for; a Fault names its own."""
    if isinstance(error, Fault):
        return Unavailable(error.party, f"proof: {error.role}, {error.reason}"[:200])
    if isinstance(error, Unreachable):
        return Unavailable(party, f"unreachable: {error.got}"[:200])
    if isinstance(error, Refused):
        who = error.where if error.code == "unreachable" else party
        return Unavailable(who[:200] or party, _rule(error.code, error.got, error.expected))
    where = error.field if isinstance(error, ProtocolError) else error.where
    return Unavailable(party, f"{where}: {error.got}"[:200])


def refused(refusal: wire.Refusal) -> Unavailable:
    """Why there is no ticket, in the relay's words: `party` is at fault, or else the rule at `where` forbids it."""
    party = (refusal.party or refusal.where.partition(":")[0] or RELAY)[:200]
    return Unavailable(party, _rule(refusal.code or "refused", refusal.got, refusal.expected))


def _rule(code: str, got: object, expected: object) -> str:
    """A refusal in words; of who did not answer there is no more to say than that."""
    return f"{code}: {got}"[:200] if code == "unreachable" else f"{code}: {got}, expected {expected}"[:200]
