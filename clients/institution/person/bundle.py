"""All that is held about a person, in one machine-readable document: the right of access (GDPR 15, FCRA 609, PIPL 45).

Where something is held but not readable by anybody here (pads, masks, a noisy model), it is named and not shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clients.institution.lookup.folders import LookupFolders
from clients.institution.lookup.snapshot import Snapshot
from clients.institution.person.desk import Desk
from clients.institution.person.inquiries import Inquiry, asked_store, made_here
from clients.institution.person.own_record import own_record, own_score
from clients.institution.person.remains import models_of
from federation.lookup.identifiers import scheme

FORMAT = "fedscore/person/v1"


def bundle(
    desk: Desk,
    subject: str,
    now: datetime,
    *,
    model: Path | None = None,
    evaluation: Path | None = None,
    inquirers: Iterable[Inquiry] = (),
) -> dict[str, Any]:
    """JSON of everything here about `subject`. Raises what reading records, ledger and cases raises."""
    score = own_score(desk, subject, model, evaluation).to_json()
    return {
        "format": FORMAT,
        "institution": desk.home.name,
        "subject": subject,
        "made": now.date().isoformat(),
        "jurisdiction": {"name": desk.profile.name, "title": desk.profile.title, "notice": desk.profile.notice},
        "purpose": desk.catalogue.purpose.value,
        "catalogue": {"name": desk.catalogue.name, "version": desk.catalogue.version, "hash": desk.catalogue.hash},
        "record": own_record(desk, subject).to_json(),
        "score": None if score is None else score | {"texts": dict(desk.catalogue.reasons)},
        "inquiries_here": _asked(desk, subject),
        "inquiries_of_all": [each.to_json() for each in inquirers],
        "cases": [case.to_json(desk.profile, desk.day(now.timestamp())) for case in desk.cases(subject)],
        "published": _published(desk, subject),
        "retention": [each.model_dump(mode="json") for each in desk.profile.retention],
        "models": models_of(desk.home, now).to_json(),
    }


def _asked(desk: Desk, subject: str) -> list[dict[str, Any]]:
    store = asked_store(desk.home)
    kept = {} if store is None else {each.leaf_hash: each for each in store.about(_identifier(desk, subject))}
    return [each.to_json() | {"receipt": kept[each.leaf].receipt.hex()} for each in made_here(desk.home, subject)]


def _published(desk: Desk, subject: str) -> list[dict[str, Any]]:
    """What the snapshot of each open epoch says of the person: eighths of log-odds, as it was quantised."""
    folders, found = LookupFolders(desk.home), []
    for past in folders.past() if folders.exists else ():
        kept = None if past.erased else folders.epoch_if_there(past.counter).read("snapshot.parquet")
        of = None if kept is None else Snapshot.decode(kept).of(_identifier(desk, subject))
        if of is not None:
            closes = datetime.fromtimestamp(past.closes_at, UTC).date().isoformat()
            found.append({"epoch": past.counter, "closes": closes, "record": of[0].tolist()})
    return found


def _identifier(desk: Desk, subject: str) -> bytes:
    return scheme(desk.home.settings.lookup.identifiers).normalise(subject)
