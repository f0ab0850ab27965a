"""A relay that hands a member tasks which no honest one does: refused with a type, or evaluated as they deserve."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from google.protobuf.message import DecodeError
from hostile_messages import Hostile
from query_world import NOW, QueryWorld, Relay, opened

from clients.institution.lookup.duties import answers_to
from clients.institution.lookup.enrolment_count import EnrolmentCount
from clients.institution.lookup.serving import OpenTickets, Serving
from federation.errors import Refused
from federation.lookup.record import JointSum
from federation.runtime.database import open_engine
from protocols.canonical import canonical
from protocols.envelope import seal
from protocols.lookup.bound import ENROL_KIND, enrol_body
from protocols.oprf.group import BASE, multiply, random_scalar
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

TASKS = 5000
CODES = {"invalid", "proof", "conflict", "quota", "closed", "unknown"}


class Away:
    """The relay when a member wants to see the record anew: it says that there is no such epoch."""

    def view(self, *_: Any, **__: Any) -> Any:
        raise Refused("unknown", "epoch", got="another", expected="the current one")


def serving(world: QueryWorld, relay: Relay, folder: Path, name: str = "bank-02") -> Serving:
    """The product's own duties of one member, its epoch and roster at hand."""
    home: Any = SimpleNamespace(
        name=name,
        signing_key=world.signers[name],
        coordinator_key=world.relay.public,
        settings=SimpleNamespace(database_url=f"sqlite:///{folder}/duties.db"),
    )
    made = Serving(home, Away(), os.urandom, lambda: NOW)  # type: ignore[arg-type]
    secrets = folder / "secrets.key"
    secrets.touch(mode=0o600)
    made._open = OpenTickets(relay.epoch.context.epoch_id, relay.members[name], secrets)
    made._rosters = {world.roster.id: (world.roster, world.shares[name])}
    made._engine = open_engine(f"sqlite:///{folder}/duties.db")
    return made


def honest_tasks(world: QueryWorld, relay: Relay, order: wire.TicketOrder) -> list[wire.Task]:
    outcome = relay.outcome(order)
    second = wire.SecondOrder(
        leaf=order.leaf, blinded=order.blinded, evaluations=outcome.evaluations, combined=outcome.combined
    )
    batch = wire.EnrolBatch(roster_id=world.roster.id, counter=1, points=order.blinded)
    sealed = Envelope.FromString(seal(batch, world.signers["bank-00"]))
    enrol = wire.EnrolTask(batch=sealed, institution="bank-00", promise=order.promise)
    return [
        wire.Task(id=bytes(16), first=wire.FirstTask(orders=[order])),
        wire.Task(id=bytes(16), second=wire.SecondTask(orders=[second])),
        wire.Task(id=bytes(16), enrol=enrol),
    ]


@pytest.mark.soak
def test_five_thousand_tasks_break_nothing(tmp_path: Path) -> None:
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    world.ask(asking, world.identifiers[:1])
    relay: Any = asking.relay
    duties, hostile = serving(world, relay, tmp_path), Hostile(3)
    tasks, outcomes, slowest, size = honest_tasks(world, relay, relay.orders[0]), Counter[str](), 0.0, 0
    process = psutil.Process()
    for number in range(TASKS):
        task = hostile.message(tasks[number % 3])
        if number % 3 == 2 and number % 2:  # an enrolment that lies under its own signature
            batch = hostile.message(wire.EnrolBatch.FromString(tasks[2].enrol.batch.body))
            task.enrol.CopyFrom(tasks[2].enrol)
            task.enrol.batch.CopyFrom(Envelope.FromString(seal(batch, world.signers["bank-00"])))
        if not readable(task.enrol.batch.body):
            continue  # has a test of its own
        began = time.monotonic()
        for answer in answers_to(task, duties)[:8]:
            outcomes[answer.refusal.code if answer.HasField("refusal") else "answered"] += 1
        slowest = max(slowest, time.monotonic() - began)
        size = size or (process.memory_info().rss if number == TASKS // 5 else 0)
    assert set(outcomes) <= CODES | {"answered"}
    assert outcomes["invalid"] + outcomes["proof"] > TASKS / 3
    assert slowest < 60.0
    assert process.memory_info().rss - size < 32 * 2**20
    [found] = world.ask(asking, world.identifiers[1:2])
    assert isinstance(found, JointSum)


def readable(body: bytes) -> bool:
    try:
        wire.EnrolBatch.FromString(body)
    except DecodeError:
        return False
    return True


def test_an_enrolment_of_bytes_that_are_no_message_is_refused(tmp_path: Path) -> None:
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    relay: Any = asking.relay
    enrol = wire.EnrolTask(batch=Envelope(version=1, kind="EnrolBatch", body=b"\x01"), institution="bank-00")
    [answer] = answers_to(wire.Task(id=bytes(16), enrol=enrol), serving(world, relay, tmp_path))
    assert answer.refusal.code == "internal"


def test_an_enrolment_off_the_log_is_evaluated_by_nobody(tmp_path: Path) -> None:
    """The promise is the log's, for another entry: a dictionary enrolled like that would leave no trace (threat 9)."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    world.ask(asking, world.identifiers[:1])
    relay: Any = asking.relay
    task = honest_tasks(world, relay, relay.orders[0])[2]
    [answer] = answers_to(task, serving(world, relay, tmp_path))
    assert answer.refusal.code == "invalid"
    sealed = task.enrol.batch.SerializeToString(deterministic=True)
    logged = canonical({"institution": "bank-00", "count": 1, "envelope": sealed.hex()})
    task.enrol.promise = relay.promise(logged, kind="lookup-enrol")
    [answer] = answers_to(task, serving(world, relay, tmp_path))
    assert not answer.HasField("refusal")


def dictionary(world: QueryWorld, relay: Relay, count: int) -> wire.Task:
    """Guesses at people, as one logged and signed batch of bank-00."""
    points = b"".join(multiply(random_scalar(os.urandom), BASE) for _ in range(count))
    batch = wire.EnrolBatch(roster_id=world.roster.id, counter=1, points=points)
    sealed = seal(batch, world.signers["bank-00"])
    promise = relay.promise(enrol_body("bank-00", count, sealed), kind=ENROL_KIND)
    enrol = wire.EnrolTask(batch=Envelope.FromString(sealed), institution="bank-00", promise=promise)
    return wire.Task(id=bytes(16), enrol=enrol)


def test_a_relay_and_a_member_cannot_enrol_a_dictionary_of_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is signed and logged, and the relay counts nothing: this member counts by itself (threat 9)."""
    world, epoch = opened("lwe")
    relay: Any = world.asking("bank-00", epoch, tmp_path).relay
    duties, attested = serving(world, relay, tmp_path), world.roster.member("bank-00").customers
    first = dictionary(world, relay, attested - 1)
    for task in (first, first):  # the same batch again is the same people
        [answer] = answers_to(task, duties)
        assert len(answer.evaluated.points) == 32 * (attested - 1)
    more = dictionary(world, relay, 2)
    [answer] = answers_to(more, duties)
    assert (answer.refusal.code, answer.refusal.where) == ("quota", "enrolment")
    monkeypatch.setattr(EnrolmentCount, "charge", lambda *_: None)
    [answer] = answers_to(more, duties)
    assert len(answer.evaluated.points) == 64


def test_a_batch_in_anothers_name_is_evaluated_by_nobody(tmp_path: Path) -> None:
    """What one member may enrol is not used up, nor made larger, by another one."""
    world, epoch = opened("lwe")
    relay: Any = world.asking("bank-00", epoch, tmp_path).relay
    duties, task = serving(world, relay, tmp_path), dictionary(world, relay, 1)
    task.enrol.institution = "bank-01"
    sealed = task.enrol.batch.SerializeToString(deterministic=True)
    task.enrol.promise = relay.promise(enrol_body("bank-01", 1, sealed), kind=ENROL_KIND)
    [answer] = answers_to(task, duties)
    assert (answer.refusal.code, answer.refusal.where) == ("invalid", "envelope.signer")


def test_two_statements_of_one_member_are_none(tmp_path: Path) -> None:
    """Of two the last would count, and who reads the first would see another ticket than who reads the last."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    world.ask(asking, world.identifiers[:1])
    relay: Any = asking.relay
    task = honest_tasks(world, relay, relay.orders[0])[1]
    duties = serving(world, relay, tmp_path)
    [answer] = answers_to(task, duties)
    assert answer.document
    [order] = task.second.orders
    order.evaluations.add().CopyFrom(order.evaluations[0])
    [answer] = answers_to(task, duties)
    assert (answer.refusal.where, answer.refusal.got) == ("evaluations", "two of one institution")
