"""A member's part in the epoch, in a process of its own: what `fedscore institution publish` does, step by step timed.

The steps are the product's. Only where the records come from differs: `benchmarks.lookup.population` instead of a file.
`Shortcut` replaces what enrolment costs beyond a sample: the process adds up the members' key shares, which the harness
can read and no deployment's party could, and computes pseudonyms directly. It is declared wherever it is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.lookup.clocks import own_cpu
from benchmarks.lookup.population import Population

SAMPLE = 4 * 4096
"""Customers that each member enrols in earnest before a short cut is taken: four batches, a small
part of whose costs is starting."""
_CHUNK = 2048


@dataclass(frozen=True)
class Shortcut:
    """Where the harness finds what only it may read: every member's home, and the coordinator's."""

    homes: tuple[Path, ...]
    coordinator: Path


@dataclass(frozen=True)
class Publisher:
    """What one member's process is given."""

    home: Path
    model: Path
    population: Population
    number: int
    shortcut: Shortcut | None
    timeout: float


@dataclass
class Passes:
    """CPU and wall seconds of every step, and how many customers were enrolled in earnest."""

    customers: int = 0
    enrolled: int = 0
    cpu_s: dict[str, float] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)

    def timed(self, kind: str, step: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        def measured(part: Any) -> dict[str, Any]:
            cpu, wall = own_cpu(), time.monotonic()
            body = step(part)
            self.cpu_s[kind] = own_cpu() - cpu
            self.wall_s[kind] = time.monotonic() - wall
            return body

        return measured


def run(channel: Connection, given: Publisher) -> None:
    """Take part until the epoch is open; send `Passes`."""
    channel.send(publish(given))


def publish(given: Publisher) -> Passes:
    from clients.institution.home import InstitutionHome
    from clients.institution.lookup import publishing
    from clients.institution.lookup.channel import RelayClient
    from clients.institution.lookup.concluding import MODEL_FILE
    from clients.institution.lookup.epoch_record import RELAY, EpochRecord
    from clients.institution.lookup.part import Part
    from protocols.lookup.proposal import roster_fingerprint

    home = InstitutionHome.open(given.home)
    passes = Passes(customers=len(given.population.held_by(given.number)))
    passes.enrolled = passes.customers if given.shortcut is None else min(SAMPLE, passes.customers)
    steps = dict(publishing.STEPS)
    if given.shortcut is not None:
        steps["enrolled"] = partial(_enrolled, given.shortcut, passes)
    publishing.STEPS = {
        kind: step if kind == "enrolled" and given.shortcut else passes.timed(kind, step)
        for kind, step in steps.items()
    }

    def snapshot(part: Part) -> Any:
        part.folder.keep(MODEL_FILE, given.model.read_bytes())
        return given.population.snapshot(given.number)

    with RelayClient(home) as relay:
        record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
        part = Part(home, relay, record, snapshot)
        publishing.refresh(part)
        roster = roster_fingerprint(record.body("propose", RELAY))
        published = publishing.publish(part, wait=True, timeout=given.timeout, approve=roster)
    if not published.open:
        raise RuntimeError(f"phase {published.phase}, waiting for {published.waiting}")
    return passes


def _enrolled(shortcut: Shortcut, passes: Passes, part: Any) -> dict[str, Any]:
    """Enrol a sample in earnest, timed; compute the other pseudonyms, and have the relay count them as enrolled."""
    from clients.institution.lookup.enrolling import enrol
    from clients.institution.lookup.joining import workers
    from federation.lookup.parallel import spread
    from server.home import CoordinatorHome
    from server.lookup.charges import charge, charged
    from server.lookup.record_store import RecordStore

    identifiers, folder = part.snapshot.identifiers, part.folders.roster(part.roster.id)
    sample, rest = identifiers[:SAMPLE], identifiers[SAMPLE:]

    def in_earnest(part: Any) -> dict[str, Any]:
        enrol(
            part.relay,
            folder,
            part.roster,
            part.institution,
            part.record.counter,
            sample,
            random=part.random,
            processes=1,
            progress=lambda done, total: None,
        )
        return {}

    passes.timed("enrolled", in_earnest)(part)
    points = spread(partial(_pseudonyms, _joint_key(shortcut, part)), list(_cut(rest)), processes=workers())
    folder.pseudonyms.add(rest, [point for chunk in points for point in chunk])
    store = RecordStore.open(CoordinatorHome.open(shortcut.coordinator).database_url)
    charge(store.engine, part.roster, part.institution, b"a benchmark's short cut", len(rest), lambda: b"short cut")
    count = charged(store.engine, part.roster.id, part.institution)
    store.close()
    return {"count": count}


def _joint_key(shortcut: Shortcut, part: Any) -> bytes:
    from clients.institution.home import InstitutionHome
    from clients.institution.lookup.ceremony import Ceremony, context_of
    from clients.institution.lookup.folders import LookupFolders
    from protocols.oprf.group import ORDER

    total = 0
    for home in shortcut.homes:
        kept = LookupFolders(InstitutionHome.open(home)).ceremony_if_there(context_of(part.record))
        if kept is None:
            raise RuntimeError(f"{home.name} made no key")
        total += int.from_bytes(Ceremony.decode(kept).share.secret, "little")
    return (total % ORDER).to_bytes(32, "little")


def _pseudonyms(key: bytes, identifiers: tuple[bytes, ...]) -> list[bytes]:
    from protocols.oprf.group import hash_to_group, multiply

    return [multiply(key, hash_to_group(name)) for name in identifiers]


def _cut(identifiers: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    for first in range(0, len(identifiers), _CHUNK):
        yield identifiers[first : first + _CHUNK]
