"""What a ticket is checked against: one epoch's keys and limits, all of them under epoch_id."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from protocols.errors import StageError
from protocols.lookup.fault import TicketRefused
from protocols.lookup.manifest import SignedEpoch
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Roster
from protocols.signing import VerifyingKey


@dataclass(frozen=True)
class EpochContext:
    """A verified epoch: there is none that some member did not sign, so what it says is what all agreed on.

    roster.member(institution): .key (Ed25519), .pseudonym_key (K_j); pads[institution]: S_j; relay_public: L.
    """

    roster: Roster
    signed: SignedEpoch

    def __post_init__(self) -> None:
        self.signed.verify(self.roster)

    @classmethod
    def of(cls, roster: Roster, signed: SignedEpoch) -> EpochContext:
        """Raises MessageError or SignatureError unless `signed` is an epoch of `roster` that all its members signed."""
        return cls(roster, signed)

    @property
    def epoch_id(self) -> bytes:
        return self.signed.epoch.id

    @property
    def layout_id(self) -> bytes:
        return self.signed.layout.id

    @property
    def institutions(self) -> tuple[str, ...]:
        return self.roster.institutions

    @cached_property
    def pads(self) -> dict[str, bytes]:
        """S_j of every member."""
        return dict(self.signed.layout.pads)

    @property
    def relay_public(self) -> bytes:
        """L."""
        return self.signed.layout.relay

    @property
    def relay_key(self) -> VerifyingKey:
        return self.roster.coordinator_key

    @property
    def pool_key(self) -> VerifyingKey:
        """Under which the pool signs answers: part of what every member signed, never taken from a message."""
        return self.signed.layout.pool

    @property
    def log_key(self) -> VerifyingKey:
        return self.roster.log_key

    @property
    def oversight(self) -> bytes | None:
        return self.roster.oversight

    @property
    def parameters(self) -> Parameters:
        return self.roster.parameters

    @property
    def purposes(self) -> tuple[str, ...]:
        return self.roster.parameters.purposes

    @property
    def daily_tickets(self) -> int:
        """Tickets a querier may ask for in one day."""
        return self.roster.parameters.daily_tickets

    def check_open(self, now: float) -> None:
        """Raises StageError before the epoch opens, TicketRefused (closed) once its time is over."""
        epoch = self.signed.epoch
        expected = f"{epoch.opens_at} to {epoch.closes_at}"
        if now < epoch.opens_at:
            raise StageError("epoch", got="a request before it opens", expected=expected)
        if now >= epoch.closes_at:
            raise TicketRefused("closed", "epoch", got="a request after it closed", expected=expected)
