"""What a SuperLink reads and holds: bodies, connections of strangers."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from federation.runtime.flower.intake import Busy, Intake, read_body, replay
from federation.runtime.flower.lobby import Lobby


def test_there_is_room_for_so_much_and_no_more() -> None:
    intake = Intake(requests=3, total=100, each=60)
    with intake.room("a", 60):
        with pytest.raises(Busy), intake.room("a", 1):
            pass
        with intake.room("b", 40):
            assert intake.held == 100
            with pytest.raises(Busy), intake.room("c", 1):
                pass
            with intake.room("c", 0), pytest.raises(Busy), intake.room("d", 0):
                pass
    assert intake.held == 0
    with intake.room("a", 60):
        pass


def test_a_body_is_read_whole_and_given_on_once() -> None:
    messages = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def scenario() -> None:
        body = await read_body(receive, seconds=60.0)
        assert body == b"abc"
        again = replay(body, receive)
        assert (await again())["body"] == b"abc"
        assert (await again())["type"] == "http.disconnect"
        messages.append({"type": "http.disconnect"})
        assert await read_body(receive, seconds=60.0) is None

    asyncio.run(scenario())


class Line:
    """A connection and its timer."""

    def __init__(self) -> None:
        self.aborted = self.cancelled = 0

    def abort(self) -> None:
        self.aborted += 1

    def cancel(self) -> None:
        self.cancelled += 1


def test_strangers_make_room_for_one_another_and_do_not_stay() -> None:
    timers: list[tuple[Line, Any]] = []

    def later(seconds: float, call: Any) -> Line:
        assert seconds == 10.0
        timers.append((Line(), call))
        return timers[-1][0]

    lobby, lines = Lobby(2, 10.0, later), [Line() for _ in range(4)]
    for port, line in enumerate(lines[:2]):
        lobby.enter(("10.0.0.9", port), line)
    lobby.leave(("10.0.0.9", 0))  # it has shown who it is
    lobby.leave(None)
    lobby.enter(("10.0.0.9", 2), lines[2])
    assert len(lobby) == 2
    lobby.enter(("10.0.0.9", 3), lines[3])
    assert [line.aborted for line in lines] == [0, 1, 0, 0]
    timers[2][1]()
    assert [line.aborted for line in lines] == [0, 1, 1, 0]
    assert len(lobby) == 1
    assert [timer.cancelled for timer, _ in timers] == [1, 1, 1, 0]
