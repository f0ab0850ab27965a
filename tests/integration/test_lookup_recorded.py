"""What reaches whom and what is left on disk, in a deployment whose every process writes down what reaches it.

First the messages, searched for what nobody may have. Then the files: in whose stands an identifier or a secret, while
the epoch is open and once it is over. The last test closes the epoch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from recorded_secrets import PLANTED, Secrets, encodings, everything, found_in, normalised, pseudonyms, traces
from recorded_world import RecordedWorld

from protocols.oprf.group import hash_to_group, multiply, sum_of
from protocols.wire import lookup_pb2 as wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_no_identifier_reaches_anybody_in_any_form(recorded_world: RecordedWorld, asked: list[str]) -> None:
    world = recorded_world
    data = everything(world.messages())
    people = [*asked, *world.subjects("aurora")[:3], *world.subjects("borealis")[-3:]]
    wanted = set().union(*(traces(normalised(world, person)) | traces(person.encode()) for person in people))
    assert found_in(data, wanted) == []
    assert found_in(data + PLANTED.encode() + hashlib.sha256(asked[0].encode()).digest(), wanted)  # it would be found


def test_only_the_relay_hears_the_pseudonyms_of_others(recorded_world: RecordedWorld, asked: list[str]) -> None:
    world = recorded_world
    of = {name: pseudonyms(world, name) for name in world.institutions}
    for owner, known in of.items():
        exclusive = [
            p for person, p in known.items() if all(person not in of[other] for other in of if other != owner)
        ][:60]
        forms = [form for p in exclusive for form in (p, p.hex().encode())]
        assert len(exclusive) > 20
        for party in ("pool", *(name for name in of if name != owner)):
            assert found_in(everything(world.reached(party)), forms) == [], f"{owner}'s at {party}"
        assert len(found_in(everything(world.reached("relay")), forms)) == len(exclusive)


def test_no_secret_key_leaves_its_owner(recorded_world: RecordedWorld, secrets: Secrets) -> None:
    world = recorded_world
    data = everything(world.messages())
    for owner, secret in secrets.named.items():
        assert found_in(data, encodings(secret)) == [], owner
    assert len(secrets.named) == 14


def test_nobody_hears_which_point_was_asked_for(
    recorded_world: RecordedWorld, asked: list[str], secrets: Secrets
) -> None:
    """Q of a subject says where it stands: in the layout for every member, in no message about a question."""
    world = recorded_world
    questions = [message for message in world.messages() if message.method in ("Append", "Ticket", "Work", "Query")]
    for subject in asked:
        shares = [multiply(share, hash_to_group(normalised(world, subject))) for share in secrets.shares.values()]
        pseudonym = sum_of(shares)
        points = [pseudonym, multiply(secrets.z, pseudonym), *shares]
        forms = set().union(*map(encodings, points))
        assert found_in(everything(questions), forms) == []
        layout = everything(m for m in world.reached("borealis") if m.method == "Fetch")
        assert (multiply(secrets.z, pseudonym) in layout) == (subject != PLANTED)


def orders(world: RecordedWorld) -> list[wire.TicketOrder]:
    tickets = [m for m in world.reached("relay") if m.method == "Ticket"]
    return [order for message in tickets for order in wire.TicketRequest.FromString(message.data).orders]


def queries(world: RecordedWorld) -> list[bytes]:
    asked = [m for m in world.reached("pool") if m.method == "Query"]
    return [query for message in asked for query in wire.QueryRequest.FromString(message.data).queries]


def test_two_questions_for_one_subject_have_nothing_in_common(recorded_world: RecordedWorld, asked: list[str]) -> None:
    world = recorded_world
    leaves = [json.loads(order.leaf)["leaf"] for order in orders(world)[:4]]
    same = {name for name in leaves[0] if leaves[0][name] == leaves[1][name]}
    assert same - {"issued_at"} == {"version", "querier", "epoch_id", "purpose", "tag", "tag_proof"}
    assert leaves[0]["tag"] == leaves[0]["tag_proof"] == ""  # this roster names no oversight
    blinded = [order.blinded for order in orders(world)[:4]]
    assert len(set(blinded)) == 4
    first, second = queries(world)[:2]
    head = first[:56]
    assert second[:56] == head  # label and epoch; behind it no eight bytes are shared
    windows = {first[at : at + 8] for at in range(56, len(first) - 8)}
    assert not any(second[at : at + 8] in windows for at in range(56, len(second) - 8))


def test_present_and_absent_are_of_one_size_everywhere(recorded_world: RecordedWorld, asked: list[str]) -> None:
    world = recorded_world
    for party in ("relay", "pool", *world.institutions):
        sizes: dict[tuple[str, str], list[int]] = {}
        for message in world.reached(party):
            if message.method == "Query" or (message.side, message.method) == ("server", "Append"):
                sizes.setdefault((message.side, message.method), []).append(len(message.data))
        assert all(len(set(found)) == 1 for found in sizes.values()), party
    # A ticket's promise holds the log's index in decimal: as long as it is, whoever is asked for.
    assert len({order.ByteSize() - len(str(json.loads(order.promise)["index"])) for order in orders(world)}) == 1


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
    world.until(lambda: world.phase == "closed", 150, "closed")
    folders = [world.coordinator.path, world.out / "tmp", *(home.path for home in world.institutions.values())]
    for owner in secrets.of_epoch:
        assert holders(folders, encodings(secrets.named[owner])) == set(), owner
    past = [json.loads((home.path / "lookup" / "past.json").read_text()) for home in world.institutions.values()]
    assert all(entry["erased"] for entries in past for entry in entries)
    assert all(entry["tickets"] > 0 for entries in past for entry in entries)
