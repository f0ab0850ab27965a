"""Those who lie, dawdle, flood or ask for what is not theirs: refused, named, and nobody else suffers."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from lookup_attacks import (
    attacks_during_setup,
    attacks_on_the_hand_overs,
    attacks_on_the_rows,
    attacks_on_the_table,
    attacks_on_what_was_evaluated,
    refused,
)
from lookup_member import Member
from lookup_tickets import ask, finish, leaf_of, start
from lookup_world import Federation, admit, dialled, federation, people
from membership_world import make_institution

from federation.errors import Refused
from federation.runtime import rpc
from protocols.lookup.fault import Fault
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Open, with the `mirror` engine: what is attacked here is the same for all. Its processes could dump core."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    with federation(tmp_path_factory.mktemp("lookup")) as made:
        attacks_during_setup(made)
        made.together("table")
        made.start_pool()
        attacks_on_the_table(made)
        made.together("rows")
        attacks_on_the_rows(made)
        made.together("open")
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        yield made


def outcome_of(member: Member, order: wire.TicketOrder) -> wire.TicketOutcome:
    reply: wire.TicketReply = member.ask("Ticket", wire.TicketRequest(orders=[order]))
    return reply.outcomes[0]


@pytest.mark.parametrize("kind", ["first", "second"])
def test_a_member_that_answers_with_something_else_is_named_and_nothing_is_charged_twice(
    world: Federation, kind: str
) -> None:
    aurora, borealis, castor = world.members.values()
    ticket, order = start(castor, b"person-0", f"lie-{kind}")
    charged = len(aurora.guard.leaves)
    borealis.tamper = lambda asked, data: data[:-1] + bytes([data[-1] ^ 1]) if asked == kind else data
    try:
        refusal = outcome_of(castor, order).refusal
    finally:
        borealis.tamper = lambda asked, data: data
    assert (refusal.code, refusal.party) == ("proof", "borealis")
    finish(ticket, outcome_of(castor, order))
    assert len(aurora.guard.leaves) == charged + 1


def test_a_member_cannot_have_another_named_in_its_place(world: Federation) -> None:
    _, borealis, castor = world.members.values()
    ticket, order = start(castor, b"person-0", "framed")

    def frame(kind: str, data: bytes) -> bytes:
        raise Fault("aurora", "evaluation", "a lie")

    borealis.tamper = frame
    try:
        refusal = outcome_of(castor, order).refusal
    finally:
        borealis.tamper = lambda asked, data: data
    assert refusal.party == "borealis"
    finish(ticket, outcome_of(castor, order))


def test_a_member_that_is_away_is_named_and_the_same_bytes_serve_later(world: Federation) -> None:
    _, borealis, castor = world.members.values()
    ticket, order = start(castor, b"person-0", "away")
    borealis.resting.clear()
    borealis.answering.clear()
    assert borealis.resting.wait(60)
    try:
        with refused("unreachable") as away:
            castor.ask("Ticket", wire.TicketRequest(orders=[order]), timeout=10.0)
    finally:
        borealis.answering.set()
    assert "borealis" in away.value.got
    finish(ticket, outcome_of(castor, order))


def test_a_receipt_serves_once_and_one_bad_order_does_not_spoil_a_batch(world: Federation) -> None:
    castor = world.members["castor"]
    good, first = start(castor, b"person-1", "once")
    finish(good, outcome_of(castor, first))
    _, again = start(castor, b"person-2", "once")
    other, fine = start(castor, b"person-3", "fresh")
    outcomes = castor.ask("Ticket", wire.TicketRequest(orders=[again, fine])).outcomes
    assert outcomes[0].refusal.code == "conflict"
    finish(other, outcomes[1])


def test_nobody_is_asked_in_anothers_name(world: Federation) -> None:
    aurora, _, castor = world.members.values()
    _, order = start(castor, b"person-4", "mine")
    with refused("not_expected"):
        aurora.ask("Append", wire.AppendRequest(leaves=[order.leaf]))
    refusal = outcome_of(aurora, order).refusal
    assert (refusal.code, refusal.party) == ("not_expected", "aurora")


def test_another_element_than_was_logged_is_evaluated_by_nobody(world: Federation) -> None:
    castor = world.members["castor"]
    _, order = start(castor, b"person-4", "swap")
    _, other = start(castor, b"person-5", "swapped")
    refusal = outcome_of(
        castor, wire.TicketOrder(leaf=order.leaf, promise=order.promise, blinded=other.blinded)
    ).refusal
    assert refusal.code == "invalid"


def test_a_blob_for_one_member_is_nobody_elses(world: Federation) -> None:
    aurora, borealis, _ = world.members.values()
    proofs = aurora.said("layout")["proofs"]["aurora"]
    assert aurora.fetch(proofs)
    with refused("unknown"):
        borealis.fetch(proofs)
    with refused("unknown"):
        borealis.fetch(borealis.said("report", "aurora")["points"])


def test_the_pool_refuses_what_is_not_asked_of_it(world: Federation) -> None:
    castor = world.members["castor"]
    context = castor.context
    others = [name for name in context.institutions if name not in context.signed.epoch.auditors]
    with refused("not_expected"):
        stranger = world.members[others[0]]
        stranger.ask_pool("Table", wire.TableRequest(epoch_id=context.epoch_id, institution="aurora"))
    for queries, code in (([], "invalid"), ([b"x"] * 65, "invalid"), ([bytes(2**18 + 1)], "invalid")):
        with refused(code):
            castor.ask_pool("Query", wire.QueryRequest(epoch_id=context.epoch_id, queries=queries))
    with refused("invalid"):  # nobody's turn is longer than that, where each query takes long
        castor.ask_pool("Query", wire.QueryRequest(epoch_id=context.epoch_id, keys_hash=bytes(32), queries=[b"x"] * 9))
    with refused("unknown"):
        castor.ask_pool("Query", wire.QueryRequest(epoch_id=bytes(32), queries=[b"x"]))
    with refused("unknown"):
        castor.ask_pool("Query", wire.QueryRequest(epoch_id=context.epoch_id, keys_hash=bytes(32), queries=[b"x"]))
    with refused("invalid"):
        castor.ask_pool("Register", wire.RegisterRequest(epoch_id=context.epoch_id, keys=bytes(8 * 2**20 + 1)))
    with pytest.raises((Refused, rpc.Unreachable)):
        castor.ask_pool("Query", wire.QueryRequest(epoch_id=context.epoch_id, queries=[bytes(2**20)] * 20), timeout=2.0)


def test_nothing_is_stored_that_no_step_will_name(world: Federation) -> None:
    with refused("not_expected"):
        world.members["aurora"].upload(os.urandom(64))


def test_processes_that_hold_secrets_leave_no_core(world: Federation) -> None:
    for process in world.processes.values():
        [line] = [line for line in Path(f"/proc/{process.pid}/limits").read_text().splitlines() if "core" in line]
        assert line.split()[4:6] == ["0", "0"]


def test_bytes_that_say_nothing_are_refused_and_not_stumbled_over(world: Federation) -> None:
    aurora = world.members["aurora"]
    garbage = Envelope(version=1, kind="Step", body=b"\xff\xff", signer="x", signature=b"y")
    for method, request in (
        ("Submit", wire.SubmitRequest(step=garbage)),
        ("Enrol", garbage),
        ("Append", wire.AppendRequest(leaves=[b"{}"])),
        ("Ticket", wire.TicketRequest(orders=[wire.TicketOrder(leaf=b"\x00")])),
        ("Work", wire.WorkRequest(session=b"short")),
        ("Upload", wire.UploadRequest(counter=1, name=bytes(32), size=2**63, part=b"x")),
        ("Fetch", wire.FetchRequest(name=b"short")),
        ("View", wire.ViewRequest(counter=2**64 - 1)),
    ):
        with pytest.raises(Refused):
            aurora.ask(method, request)


def test_a_member_that_was_revoked_is_heard_no_more(world: Federation, tmp_path: Path) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        home = make_institution(tmp_path / "delta", "delta")
        admit(world.home, world.store, home)
        delta = dialled(stack, home, people("delta", 2))
        view = delta.view()
        assert (view.counter, view.phase, list(view.steps), list(view.waiting)) == (1, "open", [], [])
        with refused("unknown"):
            delta.fetch(world.record().body("layout")["layout"])
        with refused("not_expected"):
            delta.submit("commit", {"commitment": "00" * 32})
        world.store.revoke("delta", "test", int(time.time() * 1000))
        time.sleep(1.2)  # certificates are remembered for a second
        with pytest.raises(Refused) as gone:
            delta.view()
        assert gone.value.code in ("revoked", "not_a_member")


def test_logs_name_nobody(world: Federation) -> None:
    """Identifiers, points, hashes of leaves: none of them in any log of the coordinator's processes."""
    ask(world.members["castor"], b"person-5", "logged")
    written = b"".join(file.read_bytes() for file in world.home.logs.iterdir() if file.is_file())
    assert b"step recorded" in written
    assert b"person-" not in written
    for member in world.members.values():
        for point in member.pseudonyms.values():
            assert point.hex().encode() not in written
        for leaf in member.guard.leaves:
            assert leaf.hex().encode() not in written


def test_nobody_has_more_questions_logged_than_it_may_have_tickets(world: Federation) -> None:
    """The log keeps each for ever, and all members read them when the epoch closes. The same ones again are no more."""
    borealis, limit, now = world.members["borealis"], 1000, time.time()
    leaves = [leaf_of(borealis, number, now) for number in range(limit + 1)]
    for first in range(0, limit, 64):
        borealis.ask("Append", wire.AppendRequest(leaves=leaves[first : min(first + 64, limit)]))
    with refused("quota"):
        borealis.ask("Append", wire.AppendRequest(leaves=leaves[limit:]))
    assert len(borealis.ask("Append", wire.AppendRequest(leaves=leaves[:64])).promises) == 64


def test_a_flood_of_waiting_calls_keeps_nobody_else_out(world: Federation) -> None:
    aurora, borealis, _ = world.members.values()
    request = wire.ViewRequest(counter=1, after=10_000, wait_ms=10_000)
    calls = [
        aurora.relay.unary_unary(
            "/fedscore.lookup.v1.Relay/View",
            request_serializer=wire.ViewRequest.SerializeToString,
            response_deserializer=wire.EpochView.FromString,
        ).future(request, timeout=60)
        for _ in range(40)
    ]
    started = time.monotonic()
    assert borealis.view().phase == "open"
    assert time.monotonic() - started < 8.0
    codes = [call.code() for call in calls]
    assert codes.count(grpc.StatusCode.OK) <= 3
    assert codes.count(grpc.StatusCode.FAILED_PRECONDITION) >= 37


def test_a_member_that_leaves_ends_the_epoch_and_nobody_waits_for_it(world: Federation) -> None:
    """The last one of this file: afterwards there is no open epoch."""
    world.store.revoke("castor", "test", int(time.time() * 1000))
    world.together("evaluated", names=("aurora", "borealis"))
    attacks_on_what_was_evaluated(world.members["aurora"])
    world.together("handovers", names=("aurora", "borealis"))
    attacks_on_the_hand_overs(world.members["aurora"])
    world.together("closed", names=("aurora", "borealis"))
    record = world.record()
    assert record.body("close") == {"reason": "revoked"}
    assert record.state.has("left", "castor")
    assert not record.state.has("erased", "castor")
    assert record.state.has("erased")
    with refused("closed"):
        world.members["aurora"].upload(os.urandom(64))
