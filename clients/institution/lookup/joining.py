"""The steps up to the report: a share of the joint key, own customers enrolled, fresh secrets, own pseudonyms."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from clients.institution.lookup.ceremony import encode_opening, own_ceremony
from clients.institution.lookup.enrolling import enrol
from clients.institution.lookup.epoch_record import RELAY
from clients.institution.lookup.part import Part
from federation.errors import ConfigurationError

Body = dict[str, Any]


def commit(part: Part) -> Body:
    """Draw this institution's share of the joint key, and commit to it."""
    _refuse_replay(part)
    return {"commitment": own_ceremony(part.folders, part.record, part.random).commitment.hex()}


def reveal(part: Part) -> Body:
    """Open the commitment; the relay lets nobody do so before everybody has committed."""
    members = part.record.body("propose", RELAY)["members"]
    missing = sorted(set(members) - set(part.record.bodies("commit")))
    if missing:
        raise ConfigurationError("reveal", got=f"no commitment of {', '.join(missing)}", expected="all of them first")
    return {"opening": encode_opening(own_ceremony(part.folders, part.record, part.random).opening)}


def enrolled(part: Part) -> Body:
    """Give every customer of the snapshot a pseudonym under the joint key: new ones only."""
    _refuse_replay(part)
    roster = part.roster
    attested = roster.member(part.institution).customers
    if len(part.snapshot) > attested:
        raise ConfigurationError("customers", got=len(part.snapshot), expected=f"at most the attested {attested}")
    count = enrol(
        part.relay,
        part.folders.roster(roster.id),
        roster,
        part.institution,
        part.record.counter,
        part.snapshot.identifiers,
        random=part.random,
        processes=workers(),
        progress=partial(part.report, "enrolling customers"),
    )
    return {"count": count}


def secrets(part: Part) -> Body:
    """Publish the keys of this epoch, drawn for it alone."""
    _refuse_replay(part)
    _ = part.roster  # approved and accepted, before anything is drawn
    drawn = part.drawn_secrets()
    return {"pad": drawn.pad_public.hex(), "mask": drawn.mask_public.hex()}


def report(part: Part) -> Body:
    """Hand the own pseudonyms to the relay, in an order that says nothing: their own."""
    points = own_points(part)
    name = part.relay.upload(
        part.record.counter,
        b"".join(points),
        reader=RELAY,
        progress=partial(part.report, "reporting pseudonyms"),
    )
    return {"points": name.hex(), "count": len(points)}


def own_points(part: Part) -> list[bytes]:
    """The snapshot's pseudonyms, sorted."""
    found = part.folders.roster(part.roster.id).pseudonyms.load().of(part.snapshot.identifiers)
    return sorted(bytes(point) for point in found)


def workers() -> int:
    """Processes for this institution's own heavy work."""
    return max(1, len(os.sched_getaffinity(0)))


def _refuse_replay(part: Part) -> None:
    """An epoch that was closed here once is over, whatever a relay says."""
    if any(entry.counter >= part.record.counter for entry in part.folders.past()):
        raise ConfigurationError("epoch", got=f"number {part.record.counter} again", expected="a new one")
