"""Why no ticket comes of a request: somebody lied (`Fault`), or a rule forbids it (`TicketRefused`)."""

from __future__ import annotations

from protocols.errors import ProofError, ProtocolError

RELAY = "relay"


class Fault(ProofError):  # noqa: N818 (the name is what the user reads)
    """`party` (an institution or "relay") made or passed on a `role` that does not hold, for this `reason`."""

    def __init__(self, party: str, role: str, reason: str, *, expected: object = "one that holds") -> None:
        self.party = party
        self.role = role
        self.reason = reason
        super().__init__(f"{role} from {party}", got=reason, expected=expected)


class TicketRefused(ProtocolError):  # noqa: N818
    """The rules forbid it. `code` is "quota" (too many), "conflict" (the receipt served another) or "closed"."""

    def __init__(self, code: str, field: str, *, got: object, expected: object) -> None:
        self.code = code
        super().__init__(field, got=got, expected=expected)
