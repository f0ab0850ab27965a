"""The grid of functions behaves as Flower's grids do, and costs nothing."""

from __future__ import annotations

import time

import pytest
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from federation.runtime.flower import message as wire
from federation.runtime.flower.in_process import InProcessGrid


def failing(_: bytes) -> bytes:
    raise ValueError("record 4711 has a negative balance")


@pytest.fixture
def grid() -> InProcessGrid:
    return InProcessGrid({5: lambda envelope: envelope[::-1], 9: failing})


def test_it_is_a_grid(grid: InProcessGrid) -> None:
    assert isinstance(grid, Grid)
    assert list(grid.get_node_ids()) == [5, 9]
    assert [node.node_id for node in grid.get_nodes()] == [5, 9]


def test_a_reply_answers_its_request(grid: InProcessGrid) -> None:
    [number] = grid.push_messages([wire.request(5, b"abc", ttl=5.0, group="3")])
    [reply] = grid.pull_messages([number])
    assert wire.content(reply) == b"cba"
    assert reply.metadata.reply_to_message_id == number
    assert reply.metadata.src_node_id == 5
    assert reply.metadata.group_id == "3"


def test_a_reply_is_pulled_once(grid: InProcessGrid) -> None:
    numbers = list(grid.push_messages([wire.request(5, b"abc", ttl=5.0)]))
    assert len(list(grid.pull_messages(numbers))) == 1
    assert list(grid.pull_messages(numbers)) == []


def test_nothing_of_an_exception_travels(grid: InProcessGrid) -> None:
    [reply] = grid.send_and_receive([wire.request(9, b"abc", ttl=5.0)])
    assert wire.content(reply) is None
    assert wire.refusal(reply) == "unavailable"
    assert "4711" not in repr(reply.__dict__)


def test_an_unknown_node_is_an_error_of_flowers_own(grid: InProcessGrid) -> None:
    [reply] = grid.send_and_receive([wire.request(6, b"abc", ttl=5.0)])
    assert reply.has_error()
    assert wire.content(reply) is None
    assert wire.refusal(reply).startswith("flower-")


@pytest.mark.parametrize(
    "record",
    [
        RecordDict(),
        RecordDict({"fedscore": ConfigRecord({})}),
        RecordDict({"fedscore": ConfigRecord({"envelope": "text"})}),
        RecordDict({"fedscore": ConfigRecord({"envelope": b""})}),
        RecordDict({"other": ConfigRecord({"envelope": b"abc"})}),
    ],
)
def test_a_request_without_envelope_is_malformed(grid: InProcessGrid, record: RecordDict) -> None:
    [reply] = grid.send_and_receive([Message(record, 5, MessageType.QUERY)])
    assert wire.content(reply) is None
    assert wire.refusal(reply) == "malformed"


def test_an_unknown_code_is_not_repeated(grid: InProcessGrid) -> None:
    [reply] = grid.send_and_receive([wire.request(5, b"abc", ttl=5.0)])
    reply.content = wire.record(b"", code="balance of record 4711 is negative")
    assert wire.refusal(reply) == "malformed"


def test_messages_can_be_made_by_the_grid(grid: InProcessGrid) -> None:
    message = grid.create_message(wire.record(b"xy"), MessageType.QUERY, 5, "1", ttl=3.0)
    assert [wire.content(reply) for reply in grid.send_and_receive([message])] == [b"yx"]
    grid.set_run(grid.run)
    assert grid.run.run_id == 1


def test_twenty_rounds_take_no_time() -> None:
    grid = InProcessGrid({node: lambda envelope: envelope for node in range(5)})
    model = bytes(4 * 2000)
    started = time.process_time()
    for number in range(20):
        requests = [wire.request(node, model, ttl=5.0, group=str(number)) for node in grid.get_node_ids()]
        assert len(list(grid.send_and_receive(requests))) == 5
    assert time.process_time() - started < 5.0
