"""Who asked about a person, when and why: what was asked here, and what the person's wallet found of all members.

made_here(home, subject)            from this institution's own record of what it asked
inquirers_of(home, subject, file)   from the file of the person, verified against the log and the holders' key
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedBefore, AskedStore
from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.gate import authorities_of
from clients.institution.lookup.serving_database import lookup_database
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.institution.oversight.proved import Log, read_proved
from federation.errors import ConfigurationError
from federation.inquiries.inquirers import UNKNOWN, Inquirer, SignedInquirers
from federation.inquiries.showing import Anchors
from federation.jurisdiction import Profile
from federation.lookup.identifiers import scheme
from federation.oversight.members import ROSTER
from federation.runtime.database import open_engine
from protocols.consent.consent import Consent
from protocols.errors import ProtocolError
from protocols.lookup.fields import from_hex
from protocols.oprf.group import SIZE
from protocols.transparency import VerifierKey


@dataclass(frozen=True)
class Inquiry:
    """One inquiry: the leaf under which it is logged, who asked, what for, hard or soft ("" where nothing says)."""

    leaf: bytes
    querier: str
    purpose: str
    issued_at: int
    inquiry: str = ""

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.issued_at, UTC).date()

    def to_json(self) -> dict[str, Any]:
        return {
            "leaf": self.leaf.hex(),
            "querier": self.querier,
            "purpose": self.purpose,
            "inquiry": self.inquiry or None,
            "day": self.day.isoformat(),
        }


def made_here(home: InstitutionHome, subject: str) -> tuple[Inquiry, ...]:
    """What this institution asked the federation about the person, oldest first."""
    store = asked_store(home)
    if store is None:
        return ()
    found = store.about(scheme(home.settings.lookup.identifiers).normalise(subject))
    return tuple(Inquiry(each.leaf_hash, home.name, each.purpose, each.issued_at, kind_of(each)) for each in found)


def asked_store(home: InstitutionHome) -> AskedStore | None:
    """What this institution asked; None where it never took part, so that looking makes no database."""
    there = home.settings.database_url is not None or (home.path / "lookup.db").exists()
    return AskedStore(open_engine(lookup_database(home))) if there else None


def kind_of(asked: AskedBefore) -> str:
    """Hard or soft, as the person's receipt says; "" where there was none."""
    with suppress(ProtocolError):
        return str(Consent.decode(asked.receipt).receipt.receipt.inquiry)
    return ""


def inquirers_of(home: InstitutionHome, subject: str, file: Path) -> tuple[Inquiry, ...]:
    """The inquiries in the file of this person, oldest first, each shown to be about her and as it was logged.

    The log is asked who is a member and who cosigns, and not where an inquiry stands: that would tell the coordinator
    which are about her. Raises ConfigurationError for a file of another form or one that does not hold, naming the step
    and quoting nothing; Unreachable or Refused by the log.
    """
    identifier = scheme(home.settings.lookup.identifiers).normalise(subject)
    try:
        given = SignedInquirers.read(file)
    except ProtocolError as error:
        where = f"{file}: {error.field}"
        raise ConfigurationError(where, got="another form", expected="as her wallet wrote it") from error
    with LogClient(home) as log:
        anchors = anchors_of(home, log, time.time())
    try:
        told = given.check(identifier, anchors, time.time())
    except ProtocolError as error:
        where, expected = f"{file}: {error.field}", "her own list, each inquiry logged and about her"
        raise ConfigurationError(where, got="what does not hold", expected=expected) from error
    found = {each.leaf: each for each in told.inquiries}.values()  # a log that lies may hold one twice
    return tuple(sorted(map(_inquiry, found), key=lambda each: each.issued_at))


def anchors_of(home: InstitutionHome, log: Log, now: float) -> Anchors:
    """What such a file is held against here. Raises ConfigurationError without a roster that names an oversight key,
    MessageError, SignatureError or ProofError for what the log says of its members.
    """
    folders = LookupFolders(home)
    approved = folders.approval.approved if folders.exists else None
    if approved is None or not approved["oversight"]:
        raise ConfigurationError("roster.oversight", got="none", expected="an approved roster with an oversight key")
    log_key, overseers = VerifierKey.of(home.log_key), OversightFolder(home.path).overseers()
    seen = read_proved(log, (), log_key, home.coordinator_key, now, overseers)
    return Anchors(
        log_key=log_key,
        coordinator=home.coordinator_key,
        statements=sorted((place, entry) for kind in ROSTER for place, entry in seen.entries[kind]),
        oversight=from_hex(approved["oversight"], "roster.oversight", SIZE),
        authorities=authorities_of(approved),
    )


def _inquiry(found: Inquirer) -> Inquiry:
    kind = "" if found.inquiry == UNKNOWN else found.inquiry
    return Inquiry(bytes.fromhex(found.leaf), found.querier, found.purpose, found.issued_at, kind)


def to_be_told(inquiries: Iterable[Inquiry], profile: Profile, today: date) -> tuple[Inquiry, ...]:
    """Those whom the profile has told of a change that is decided `today`."""
    back = profile.inquirers.looking_back
    return tuple(each for each in inquiries if back is None or back.before(today) <= each.day)
