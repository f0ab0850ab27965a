"""Who asked about a person, when and why: what was asked here, and what the person's wallet found of all members.

made_here(home, subject)            from this institution's own record of what it asked
read_inquirers(file)                from the file of the person, which her wallet has verified
inquirers_of(home, subject, file)   the same, unless this institution's own inquiries in it are about somebody else
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedBefore, AskedStore
from clients.institution.lookup.serving_database import lookup_database
from federation.errors import ConfigurationError
from federation.inquiries.inquirers import UNKNOWN, Inquirer, Inquirers
from federation.jurisdiction import Profile
from federation.lookup.identifiers import scheme
from federation.runtime.database import open_engine
from protocols.consent.consent import Consent
from protocols.errors import ProtocolError


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


def read_inquirers(file: Path) -> tuple[Inquiry, ...]:
    """The inquiries in a person's own file, oldest first. Raises ConfigurationError; nothing of it is quoted.

    What stands there was verified by her wallet against the log; here only its form is checked. A leaf that the named
    institution never made is found by that institution, which knows its own.
    """
    try:
        listed = Inquirers.read(file).inquiries
    except ProtocolError as error:
        where = f"{file}: {error.field}"
        raise ConfigurationError(where, got="another form", expected="as her wallet wrote it") from error
    found = {each.leaf: each for each in listed}.values()
    return tuple(sorted(map(_inquiry, found), key=lambda each: each.issued_at))


def inquirers_of(home: InstitutionHome, subject: str, file: Path) -> tuple[Inquiry, ...]:
    """The inquiries in the file of this person, oldest first.

    The file names nobody. What this institution asked, it knows of whom: a file with one of its inquiries about another
    person is another's. Raises ConfigurationError for it, and as `read_inquirers`.
    """
    listed, store = read_inquirers(file), asked_store(home)
    own = [each.leaf for each in listed if each.querier == home.name]
    asked = () if store is None else store.of_leaves(own)
    identifier = scheme(home.settings.lookup.identifiers).normalise(subject)
    if any(each.identifier != identifier for each in asked):
        got = "an inquiry that this institution made about another person"
        raise ConfigurationError(str(file), got=got, expected="the file of the person who is named")
    return listed


def _inquiry(found: Inquirer) -> Inquiry:
    kind = "" if found.inquiry == UNKNOWN else found.inquiry
    return Inquiry(bytes.fromhex(found.leaf), found.querier, found.purpose, found.issued_at, kind)


def to_be_told(inquiries: Iterable[Inquiry], profile: Profile, today: date) -> tuple[Inquiry, ...]:
    """Those whom the profile has told of a change that is decided `today`."""
    back = profile.inquirers.looking_back
    return tuple(each for each in inquiries if back is None or back.before(today) <= each.day)
