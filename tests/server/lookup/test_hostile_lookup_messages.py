"""Five thousand messages to each service that no honest party sends: none falls over, hangs, grows or goes silent.

The sender is an admitted member with a good certificate. Half of what it sends is broken field by field (points that
are none, the identity, other epochs, lists without end, documents with one value changed, all under its own signature
where it can sign), a quarter byte by byte; the rest is honest, as the traffic is in which an attacker hides.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from hostile_messages import Hostile
from lookup_member import Member
from lookup_tickets import ask, expected, read, start
from lookup_world import Federation, federation

from federation.errors import Refused
from protocols.canonical import canonical
from protocols.envelope import seal
from protocols.wire import log_pb2 as log_wire
from protocols.wire import lookup_pb2 as wire
from protocols.wire.training_pb2 import Envelope

pytestmark = [pytest.mark.integration, pytest.mark.soak]
MESSAGES = 5000
GROWTH = 48 * 2**20  # bytes; 5,000 messages of 1 KiB and more that were kept would be seen
CODES = {
    *("conflict", "too_early", "not_expected", "closed", "unknown", "quota", "proof", "unreachable", "busy"),
    *("invalid", "not_a_member", "too_many_calls", "too_many"),
}
Maker = Callable[[Hostile], Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    with federation(tmp_path_factory.mktemp("hostile")) as made:
        made.open("bfv")
        made.together("table")
        made.start_pool()
        made.together("open")
        yield made


def sealed(message: Any, member: Member) -> Envelope:
    return Envelope.FromString(seal(message, member.home.signing_key))


def of_the_relay(member: Member) -> dict[str, Maker]:
    """What makes one hostile request of each method of the relay; `Work` has tests of its own."""
    _, order = start(member, b"person-1", os.urandom(8).hex())
    step = wire.Step(counter=1, kind="table", party=member.name, body=canonical({"digest": "00" * 32}))
    batch = wire.EnrolBatch(roster_id=member.roster.id, counter=1, points=bytes(64))
    upload = wire.UploadRequest(counter=1, name=bytes(32), size=64, offset=0, part=bytes(64), reader="relay")
    return {
        "View": lambda at: at.message(wire.ViewRequest(counter=1, after=3)),
        "Submit": lambda at: wire.SubmitRequest(step=sealed(at.message(step), member)),
        "Upload": lambda at: at.message(upload),
        "Fetch": lambda at: at.message(wire.FetchRequest(name=bytes.fromhex(member.said("layout")["layout"]))),
        "Enrol": lambda at: sealed(at.message(batch), member),
        "Append": lambda at: at.message(wire.AppendRequest(leaves=[order.leaf])),
        "Ticket": lambda at: at.message(wire.TicketRequest(orders=[order, order])),
    }


def of_the_log(member: Member) -> dict[str, Maker]:
    leaf, submission = member.context.epoch_id, log_wire.Submission(kind="audit-result", body=b"{}")
    return {
        "Checkpoint": lambda at: at.message(log_wire.CheckpointRequest()),
        "Proof": lambda at: at.message(log_wire.ProofRequest(leaf_hash=leaf, size=5)),
        "Entries": lambda at: at.message(log_wire.EntriesRequest(start=0, count=5, kind="lookup-leaf")),
        "Append": lambda at: at.message(log_wire.AppendRequest(entries=[submission])),
        "Cosign": lambda at: at.message(log_wire.CosignRequest(note=leaf)),
    }


def of_the_pool(member: Member) -> dict[str, Maker]:
    epoch = member.context.epoch_id
    query = wire.QueryRequest(epoch_id=epoch, keys_hash=bytes(32), queries=[bytes(123_000)])
    return {
        "Put": lambda at: at.message(wire.PutRequest(epoch_id=epoch, offset=0, part=bytes(2000))),
        "Table": lambda at: at.message(wire.TableRequest(epoch_id=epoch, institution="aurora", limit=100)),
        "Rows": lambda at: at.message(wire.RowsRequest(epoch_id=epoch, limit=1000)),
        "Hint": lambda at: at.message(wire.HintRequest(epoch_id=epoch, limit=1000)),
        "Register": lambda at: at.message(wire.RegisterRequest(epoch_id=epoch, keys=bytes(5000))),
        "Query": lambda at: at.message(query),
    }


def bounded(request: Any) -> Any:
    """What asks to wait does not: threads that wait as told are no finding. Offsets have a test of their own."""
    for field, most in (("wait_ms", 1), ("offset", 2**40)):
        if hasattr(request, field):
            setattr(request, field, min(getattr(request, field), most))
    return request


class Battery:
    """Sends, one call after the other, and keeps what came of each."""

    def __init__(self, channel: grpc.Channel, service: str, seed: int) -> None:
        self._channel, self._service = channel, service
        self._hostile, self._random = Hostile(seed), Random(seed)
        self.outcomes: Counter[str] = Counter()
        self.slowest = 0.0

    def fire(self, makers: dict[str, Maker], count: int) -> None:
        for number in range(count):
            method = self._random.choice(sorted(makers))
            data = bounded(makers[method](self._hostile)).SerializeToString()
            raw = number % 4 == 0
            self._send(method, self._hostile.raw(data) if raw else data, waits=raw and method in ("View", "Checkpoint"))

    def _send(self, method: str, data: bytes, *, waits: bool) -> None:
        call = self._channel.unary_unary(f"/{self._service}/{method}")
        while True:
            began, outcome = time.monotonic(), "answered"
            try:
                call(data, timeout=0.3 if waits else 120.0)
            except grpc.RpcError as error:
                outcome = self._named(error, waits=waits)
            if outcome == "too many calls":
                time.sleep(0.2)
                continue
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.outcomes[outcome if outcome in ("answered", "refused") else f"{method}: {outcome}"] += 1
            return

    @staticmethod
    def _named(error: Any, *, waits: bool) -> str:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.FAILED_PRECONDITION:
            said = json.loads(details)["code"]
            assert said in CODES, said
            return "too many calls" if said.startswith("too_many") else "refused"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and waits:
            return "refused"
        if "deserializing" in details or code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            return "refused"  # gRPC's own: no message, or one that is too large
        return f"{code.name} {details[:80]}"


def resident(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def check(world: Federation, name: str, service: str, channel: grpc.Channel, makers: dict[str, Maker]) -> Battery:
    process = psutil.Process(world.processes[name].pid)
    battery = Battery(channel, service, 1)
    battery.fire(makers, MESSAGES // 5)  # what is allocated once is allocated
    before = resident(process)
    battery.fire(makers, MESSAGES - MESSAGES // 5)
    assert set(battery.outcomes) == {"answered", "refused"}, battery.outcomes
    assert battery.outcomes["refused"] > MESSAGES / 4
    assert battery.slowest < 60.0
    assert process.is_running()
    assert resident(process) - before < GROWTH
    return battery


def still_serves(world: Federation) -> None:
    member = world.members["aurora"]
    for person in (b"person-2", b"nobody"):
        found = read(member, ask(member, person, os.urandom(8).hex()))
        assert np.array_equal(found, expected(world, person))


def test_the_relay(world: Federation) -> None:
    member = world.members["castor"]
    check(world, "membership", "fedscore.lookup.v1.Relay", member.relay, of_the_relay(member))
    still_serves(world)


def test_the_log(world: Federation) -> None:
    member = world.members["castor"]
    check(world, "membership", "fedscore.log.v1.Log", member.relay, of_the_log(member))
    still_serves(world)


def test_the_pool(world: Federation) -> None:
    member = world.members["castor"]
    channel = member.pool_channel(member.view().pool_address)
    check(world, "pool", "fedscore.lookup.v1.Pool", channel, of_the_pool(member))
    still_serves(world)


def test_what_is_refused_is_refused_on_purpose(world: Federation) -> None:
    """An error that nobody meant is written down where calls are guarded: there is none."""
    for file in Path(world.home.logs).glob("*.log"):
        lines = [json.loads(line) for line in file.read_text().splitlines() if line.startswith("{")]
        errors = [line for line in lines if line["level"] == "error" and line["logger"] != "grpc._common"]
        assert not errors, errors[0]
        assert lines


def test_an_offset_beyond_any_file(world: Federation) -> None:
    member, far = world.members["castor"], 2**63 - 1
    layout = bytes.fromhex(member.said("layout")["layout"])
    with pytest.raises(Refused):
        member.ask("Fetch", wire.FetchRequest(name=layout, offset=far))
    with pytest.raises(Refused):
        member.ask_pool("Rows", wire.RowsRequest(epoch_id=member.context.epoch_id, offset=far), timeout=60.0)
