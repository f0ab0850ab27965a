"""What a question must be before anything leaves this node: about somebody, for an agreed purpose, with her consent.

    gate = Gate.of(home, engine, clock)
    admitted = gate.check(question)          # ConsentRefused, IdentifierError, ConfigurationError; asks nobody

It rests on the roster that somebody here approved: on what the members agreed, from this machine's own disk. Under one
that names identity authorities, no question passes without a consent document that covers it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from clients.institution.home import InstitutionHome
from clients.institution.lookup.consent_store import ConsentStore
from clients.institution.lookup.customers import scheme_of
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.questions import Question
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.lookup.identifiers import Scheme
from federation.lookup.settings import check_identifiers, check_purpose, purposes_of
from protocols.consent.consent import Consent, check_consent, read_consent
from protocols.consent.receipt import Scope
from protocols.lookup.context import EpochContext
from protocols.lookup.parameters import Parameters
from protocols.lookup.roster import Authority, read_authorities

MARGIN_S = 10
"""What a receipt must have left: its leaf is made a moment after the check, and an honest bank must not be framed."""


@dataclass(frozen=True)
class Admitted:
    """A question that may be asked: the identifier as it is hashed, and what covers it where consent is needed."""

    identifier: bytes = field(repr=False)
    consent: Consent | None = None


@dataclass(frozen=True)
class Gate:
    """The checks of one institution. `authorities`: those of the approved roster; none where nobody needs consent."""

    querier: str
    identifiers: Scheme
    catalogue: Catalogue
    purposes: tuple[str, ...]
    authorities: tuple[Authority, ...]
    consents: ConsentStore
    clock: Callable[[], float]

    @classmethod
    def of(cls, home: InstitutionHome, engine: Engine, clock: Callable[[], float]) -> Gate:
        """Raises ConfigurationError or MessageError for a home that cannot be read.

        Where no roster was approved, any purpose of the catalogue will do: no epoch lets this institution ask.
        """
        folders, catalogue = LookupFolders(home), load_catalogue(home.catalogue)
        approved = folders.approval.approved if folders.exists else None
        purposes, identifiers = purposes_of(catalogue), scheme_of(home)
        if approved is not None:
            agreed = Parameters.from_json(approved.get("parameters"))
            check_identifiers(identifiers.name, agreed.identifiers)
            purposes = agreed.purposes
        authorities = authorities_of(approved)
        return cls(home.name, identifiers, catalogue, purposes, authorities, ConsentStore(engine), clock)

    @property
    def scope(self) -> Scope:
        """What receipts must permit: scores under this institution's catalogue."""
        return Scope(self.catalogue.name, bytes.fromhex(self.catalogue.hash))

    def check(self, question: Question) -> Admitted:
        """The question, if it may be asked within MARGIN_S: a leaf is judged by the moment at which it was made."""
        identifier = self.identifiers.normalise(question.subject)
        check_purpose(question.purpose, self.catalogue, self.purposes)
        if not self.authorities:
            return Admitted(identifier)
        consent, now = read_consent(question.receipt), int(self.clock())
        for moment in (now, now + MARGIN_S):
            check_consent(
                consent,
                identifier=identifier,
                querier=self.querier,
                purpose=question.purpose,
                scope=self.scope,
                now=moment,
                authorities=self.authorities,
                revoked=self.consents.revocations_of(consent.receipt.receipt),
            )
        self.consents.check_unused(consent.receipt.receipt)
        return Admitted(identifier, consent)

    def check_epoch(self, context: EpochContext) -> None:
        """Raises ConfigurationError if an epoch is about another catalogue or has other authorities than were checked:
        an honest question would stand in the log as one without consent."""
        if context.roster.authorities != self.authorities:
            raise ConfigurationError("roster.authorities", got="others", expected="those that were approved here")
        if context.signed.layout.catalogue != self.scope.hash:
            got = context.signed.layout.catalogue.hex()[:16]
            raise ConfigurationError("epoch.catalogue", got=got, expected=self.catalogue.hash[:16])


def authorities_of(approved: Mapping[str, Any] | None) -> tuple[Authority, ...]:
    """Those of a roster that was approved here, if any was: where there is one, every question needs consent.

    Raises MessageError for a roster that cannot be read.
    """
    return () if approved is None else read_authorities(approved.get("authorities"), "approved roster.authorities")
