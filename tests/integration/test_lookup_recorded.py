"""What reaches whom, written down by every process of a deployment, and searched for what nobody may have."""

from __future__ import annotations

import hashlib
import json

import pytest
from recorded_secrets import PLANTED, Secrets, encodings, everything, found_in, normalised, pseudonyms, traces
from recorded_world import RecordedWorld

from protocols.oprf.group import hash_to_group, multiply, sum_of
from protocols.wire import lookup_pb2 as wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


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
    assert same - {"issued_at"} == {"version", "querier", "epoch_id", "purpose", "tag"}
    assert leaves[0]["tag"] == ""  # this roster names no oversight
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
