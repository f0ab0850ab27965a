"""An epoch from proposal to erasure over real processes and mutual TLS: tickets, queries, kills, attacks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from lookup_tickets import ask, expected, finish, read, start
from lookup_world import Federation, await_that, federation

from federation.errors import Refused
from protocols.wire import lookup_pb2 as wire

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with federation(tmp_path_factory.mktemp("lookup")) as made:
        yield made


def test_an_epoch_opens_answers_survives_kills_and_is_erased(world: Federation) -> None:
    aurora, borealis, castor = world.members.values()
    world.open("bfv")

    # 1. A member that does not come blocks, and is named.
    for member in (aurora, borealis):
        member.view()
        member.submit("commit", member.say_commit())
    view = aurora.view()
    assert (view.phase, [(w.party, w.what) for w in view.waiting]) == ("keys", [("castor", "commit")])
    with pytest.raises(Refused) as early:
        borealis.submit("reveal", borealis.say_reveal())
    assert early.value.code == "too_early"

    # 2. The relay is killed in the middle of the set-up; everybody goes on where they were.
    world.together("secrets")
    world.kill("membership")
    world.start_relay()
    world.together("sign")
    with pytest.raises(Refused):
        world.open("bfv")  # one at a time

    # 3. The pool is killed while tables come in.
    world.together("table")
    world.start_pool()
    aurora.submit("table", aurora.say_table())
    aurora.view()
    part = aurora.table()
    first = wire.PutRequest(epoch_id=aurora.context.epoch_id, offset=0, part=part[:100])
    assert aurora.ask_pool("Put", first).received == 100
    world.kill("pool")
    world.start("pool", "server.lookup.pool_process")
    world.together("open", seconds=90)
    record = world.record()
    assert record.state.phase == "open"
    # whoever was killed when its last part was on the way sends it again, whatever the others did meanwhile
    assert aurora.ask_pool("Put", first).received == len(part)

    # 4. Tickets and queries: present at several, at one, at nobody.
    for number, person in enumerate((b"person-0", b"aurora-1", b"nobody-at-all")):
        found = ask(castor, person, f"serial-{number}")
        assert (read(castor, found) == expected(world, person)).all(), person
    charged = len(aurora.guard.leaves)

    # 5. The same ticket again is charged once; the pool's worker and the pool itself may die in between.
    ticket, order = start(castor, b"person-1", "serial-9")
    castor.ask("Ticket", wire.TicketRequest(orders=[order]))
    world.kill("pool")
    world.start("pool", "server.lookup.pool_process")
    made = finish(ticket, castor.ask("Ticket", wire.TicketRequest(orders=[order])).outcomes[0])
    assert (read(castor, made) == expected(world, b"person-1")).all()
    assert len(aurora.guard.leaves) == charged + 1

    # 6. A member that evaluates off the log for a friend; the others do not hide what they evaluated.
    borealis.guard.leaves[b"\x07" * 32] = ("castor", 0, "off the log")

    # 7. Closing: nothing any more, and everything secret is gone. Who waits for a member is told so, at once.
    _, waiting = start(castor, b"person-3", "serial-11")
    charged = len(aurora.guard.leaves)
    borealis.answering.clear()
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(castor.ask, "Ticket", wire.TicketRequest(orders=[waiting]), timeout=60.0)
        await_that(lambda: len(aurora.guard.leaves) > charged)
        world.close()
        told = asked.exception(timeout=30)
    borealis.answering.set()
    assert isinstance(told, Refused)
    assert told.code == "closed"
    with pytest.raises(Refused) as late:
        ask(castor, b"person-2", "serial-10")
    assert late.value.code == "closed"
    counter = world.record().counter
    secret = world.home.path / "lookup" / "epochs" / str(counter) / "z"
    await_that(lambda: not secret.exists())  # whoever is waited for
    assert world.record().state.phase == "closing"
    world.together("closed")
    assert not (world.home.path / "lookup" / "epochs" / str(counter) / "z").exists()
    assert not (world.home.path / "lookup" / "epochs" / str(counter) / "pool").exists()
    assert not list((world.home.path / "lookup" / "epochs" / str(counter)).glob("blobs/*"))
    with world.desk() as at:
        told = at.view(at.record.current())
    assert [(found["kind"], found["party"]) for found in told["findings"]] == [("evaluated-not-logged", "borealis")]
    assert told["verdicts_against_the_pool"] == 0
    await_that(lambda: world.processes["pool"].poll() is not None)
    with pytest.raises(Refused) as emergency:
        world.open("bfv")
    assert emergency.value.code == "too_early"
