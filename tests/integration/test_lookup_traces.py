"""What is left on disk: in whose files stands an identifier or a secret, while an epoch is open and once it is over.

The last test closes the epoch of the recorded deployment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from recorded_secrets import PLANTED, Secrets, encodings, normalised, traces
from recorded_world import RecordedWorld

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def holders(folders: Iterable[Path], wanted: set[bytes]) -> set[str]:
    """The files below `folders` that hold any of `wanted`."""
    found = set()
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_socket():
                data = file.read_bytes()
                if any(each in data for each in wanted):
                    found.add(str(file.relative_to(folder.parent)))
    return found


def forms(world: RecordedWorld, subject: str) -> set[bytes]:
    return traces(subject.encode()) | traces(normalised(world, subject))


def test_a_planted_identifier_stands_in_its_askers_own_file_and_nowhere_else(
    recorded_world: RecordedWorld, asked: list[str]
) -> None:
    world, homes = recorded_world, [home.path for home in recorded_world.institutions.values()]
    found = holders([world.coordinator.path, world.out / "tmp", *homes], forms(world, PLANTED))
    assert {Path(name).name.removesuffix("-wal") for name in found} == {"lookup.db"}
    assert {Path(name).parts[0] for name in found} == {"aurora"}


def test_customers_stand_in_their_own_banks_private_files_only(recorded_world: RecordedWorld) -> None:
    world = recorded_world
    banks = {name: set(world.subjects(name)) for name in world.institutions}
    for owner, home in world.institutions.items():
        others = set().union(*(people for name, people in banks.items() if name != owner))
        person = next(each for each in reversed(world.subjects(owner)) if each not in others)  # whom nobody asked for
        outside = [world.coordinator.path, world.out / "tmp"]
        outside += [other.path for name, other in world.institutions.items() if name != owner]
        wanted = forms(world, person)
        assert holders(outside, wanted) == set()
        inside = holders([home.path], wanted)
        allowed = ("lookup/epochs/000001/snapshot.parquet", "pseudonyms/part-", "quarantine/")
        assert all(any(part in name for part in allowed) for name in inside), inside


def test_logs_hold_no_person_and_no_secret(recorded_world: RecordedWorld, secrets: Secrets, asked: list[str]) -> None:
    world = recorded_world
    logs = [world.coordinator.logs, *(home.logs for home in world.institutions.values())]
    wanted = set().union(*(forms(world, person) for person in asked), *map(encodings, secrets.named.values()))
    assert holders(logs, wanted) == set()
    assert sum(file.stat().st_size for folder in logs for file in folder.rglob("*.json*")) > 1000  # they do say things


def test_a_secret_stands_in_one_private_file(recorded_world: RecordedWorld, secrets: Secrets) -> None:
    world = recorded_world
    folders = [world.coordinator.path, world.out / "tmp", *(home.path for home in world.institutions.values())]
    for owner, secret in secrets.named.items():
        found = holders(folders, encodings(secret))
        assert len(found) == 1, (owner, found)
        [file] = found
        expected = "coordinator" if owner.startswith("relay") else owner.split()[0]
        assert Path(file).parts[0] == expected
        assert (world.out / file).stat().st_mode & 0o077 == 0


def test_after_the_end_the_epochs_secrets_are_nowhere(recorded_world: RecordedWorld, secrets: Secrets) -> None:
    world = recorded_world
    world.close_epoch()
    world.until(lambda: world.phase == "closed", 60, "closed")
    folders = [world.coordinator.path, world.out / "tmp", *(home.path for home in world.institutions.values())]
    for owner in secrets.of_epoch:
        assert holders(folders, encodings(secrets.named[owner])) == set(), owner
    past = [json.loads((home.path / "lookup" / "past.json").read_text()) for home in world.institutions.values()]
    assert all(entry["erased"] for entries in past for entry in entries)
    assert all(entry["tickets"] > 0 for entries in past for entry in entries)
