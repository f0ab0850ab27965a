"""Control of a SuperLink: its answers in our terms, and its errors."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from federation.runtime.flower.control import Control, ControlError, RunState


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "https://127.0.0.1/")
    return httpx.HTTPStatusError("", request=request, response=httpx.Response(status, request=request, text="{}"))


class Superior:
    """In place of ControlHttpClient."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.closed = False

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        def call(request: Any) -> Any:
            found = self.answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return call

    def close(self) -> None:
        self.closed = True


def info(node_id: int, key: bytes, status: str) -> SimpleNamespace:
    return SimpleNamespace(node_id=node_id, public_key=key, status=status)


def run_info(status: str, sub_status: str = "") -> SimpleNamespace:
    return SimpleNamespace(status=SimpleNamespace(status=status, sub_status=sub_status))


def control(**answers: Any) -> Control:
    return Control(Superior(**answers))  # type: ignore[arg-type]


def test_registering_a_known_key_answers_its_id() -> None:
    nodes = SimpleNamespace(nodes_info=[info(5, b"key", "online"), info(6, b"old", "unregistered")])
    hand = control(RegisterNode=answer(409), ListNodes=nodes)
    assert hand.register(b"key", "alpha") == 5
    assert hand.online() == {5}
    assert hand.nodes() == {b"key": 5}
    with pytest.raises(ControlError, match="HTTP 409"):
        hand.register(b"old", "beta")
    assert control(RegisterNode=SimpleNamespace(node_id=8)).register(b"new", "gamma") == 8


@pytest.mark.parametrize(
    ("status", "sub_status", "state", "final"),
    [
        ("pending", "", RunState.PENDING, False),
        ("starting", "", RunState.PENDING, False),
        ("running", "", RunState.RUNNING, False),
        ("finished", "completed", RunState.COMPLETED, True),
        ("finished", "stopped", RunState.STOPPED, True),
        ("finished", "failed", RunState.FAILED, True),
    ],
)
def test_flowers_states_are_five(status: str, sub_status: str, state: RunState, final: bool) -> None:
    hand = control(ListRuns=SimpleNamespace(run_dict={3: run_info(status, sub_status)}))
    assert hand.status(3) is state
    assert state.final is final
    assert hand.unfinished() == (() if final else (3,))


def test_only_a_finished_run_need_not_be_stopped() -> None:
    done = SimpleNamespace(run_dict={3: run_info("finished", "failed")})
    control(StopRun=answer(409), ListRuns=done).stop(3)
    running = SimpleNamespace(run_dict={3: run_info("running")})
    with pytest.raises(ControlError, match="HTTP 409"):
        control(StopRun=answer(409), ListRuns=running).stop(3)


def test_a_run_without_a_number_is_none() -> None:
    from federation.runtime.flower.bundle import Bundle

    with pytest.raises(ControlError, match="no run id"):
        control(StartRun=SimpleNamespace(run_id=0)).submit(Bundle(b""), {})
    with control(StartRun=SimpleNamespace(run_id=4), UnregisterNode=None) as hand:
        assert hand.submit(Bundle(b""), {"run": "spring"}) == 4
        hand.unregister(1)
    with pytest.raises(ControlError) as caught:
        control(ListNodes=httpx.ReadTimeout("slow")).nodes()
    assert caught.value.away
