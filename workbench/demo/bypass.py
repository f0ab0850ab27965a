"""An institution that goes around its own node: it asks about a person who never permitted it.

The gate that stands before every question of the product is left out, and the consent document is of the institution's
own making: key, receipt, and a statement in the identity authority's name under a key that is not the authority's. What
follows is the product's own code, so the question is logged, charged and answered as any other. Members cannot tell.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asking import Asked
from clients.institution.lookup.customers import scheme_of
from clients.institution.lookup.querier import Querier, Ready
from clients.institution.lookup.questions import Question
from federation.lookup.record import JointSum
from protocols.consent.consent import Consent
from protocols.consent.identity import IdentityStatement
from protocols.consent.receipt import Inquiry, Receipt, Scope, Subject
from protocols.signing import SigningKey
from workbench.demo.processes import DemoFailed

_DAY_S = 86_400
_SKEW_S = 60


@dataclass(frozen=True)
class Bypassed:
    """Who asked, under which leaf of the log, and how many members know the person, as the answer said."""

    institution: str
    leaf: str
    known_to: int
    subject: str = field(repr=False)


def ask_without(home: Path, subject: str, purpose: str, scope: Scope, authority: str) -> Bypassed:
    """Ask as the institution of `home`, with its keys and without its gate. Raises DemoFailed if it gets no answer."""
    opened = InstitutionHome.open(home)
    identifier = scheme_of(opened).normalise(subject)
    consent = forged(identifier, opened.name, purpose, scope, authority)
    asked = Asked(Question(subject, purpose, consent.encode()), identifier, consent)
    with Querier.open(opened) as querier:
        ready = querier.connect()
        if not isinstance(ready, Ready):
            raise DemoFailed(opened.name, got=str(ready), expected="an epoch that is open")
        ready.asking.tickets([asked])
        ready.asking.read([asked])
    if not isinstance(asked.found, JointSum):
        raise DemoFailed(opened.name, got=str(asked.found), expected="an answer: members cannot see consent")
    return Bypassed(opened.name, asked.leaf_hash.hex(), asked.found.count, subject)


def forged(identifier: bytes, querier: str, purpose: str, scope: Scope, authority: str) -> Consent:
    """A consent document in which everything holds but whose key it is."""
    now, key = int(time.time()), SigningKey.generate()
    subject = Subject(identifier, secrets.token_bytes(32))
    statement = IdentityStatement(authority, subject.commitment, key.public, now - _DAY_S, now + _DAY_S)
    receipt = Receipt(
        subject_key=key.public,
        subject=subject.commitment,
        querier=querier,
        purpose=purpose,
        scope=scope,
        inquiry=Inquiry.HARD,
        serial=secrets.token_hex(16),
        issued=now - _SKEW_S,
        expires=now + _DAY_S,
    )
    return Consent(receipt.sign(key), subject.salt, statement.sign(SigningKey.generate()))
