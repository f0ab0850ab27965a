"""Members' tasks: handed out once a session; who does not answer is named; memory is bounded."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from federation.errors import Refused
from protocols.wire import lookup_pb2 as wire
from server.lookup.duties import MAX_TASKS, Duties

SESSION = bytes(16)


class Clock:
    """The machine's, and what a test lets pass."""

    passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def duties(clock: Clock) -> Iterator[Duties]:
    numbers = itertools.count(1)
    made = Duties(clock=clock, now_ms=lambda: 0, random=lambda size: next(numbers).to_bytes(size, "big"))
    yield made
    made.stop()


def task(mark: bytes) -> wire.Task:
    return wire.Task(first=wire.FirstTask(orders=[wire.TicketOrder(leaf=mark)]))


def answer(given: wire.Task, mark: bytes) -> wire.Finished:
    return wire.Finished(task=given.id, answers=[wire.Answered(document=mark)])


class Asked(threading.Thread):
    """Somebody who waits for all members' answers."""

    def __init__(self, duties: Duties, *names: str, seconds: float = 60.0) -> None:
        super().__init__(daemon=True)
        self._duties, self._names, self._seconds = duties, names, seconds
        self.answers: dict[str, bytes] = {}
        self.refusal: Refused | None = None
        self.start()

    def run(self) -> None:
        try:
            got = self._duties.ask(dict.fromkeys(self._names, task(b"ask")), self._seconds)
            self.answers = {name: answered[0].document for name, answered in got.items()}
        except Refused as refusal:
            self.refusal = refusal


def test_everybody_is_asked_and_all_answers_come_back(duties: Duties) -> None:
    asked = Asked(duties, "a", "b")
    for name in ("a", "b"):
        [given] = duties.poll(name, SESSION, [], 60.0)
        assert given.first.orders[0].leaf == b"ask"
        duties.poll(name, SESSION, [answer(given, name.encode())], 0.0)
    asked.join(60)
    assert asked.answers == {"a": b"a", "b": b"b"}


def test_who_does_not_answer_is_named_and_its_task_forgotten(duties: Duties, clock: Clock) -> None:
    asked = Asked(duties, "a", "b")
    [given] = duties.poll("a", SESSION, [], 60.0)
    duties.poll("a", SESSION, [answer(given, b"a")], 0.0)
    clock.passed = 61.0
    asked.join(60)
    assert asked.refusal is not None
    assert (asked.refusal.code, asked.refusal.where) == ("unreachable", "b")
    assert duties.poll("b", SESSION, [], 0.0) == []


def test_a_process_that_starts_anew_gets_unfinished_tasks_again(duties: Duties) -> None:
    asked = Asked(duties, "a")
    [first] = duties.poll("a", SESSION, [], 60.0)
    assert duties.poll("a", SESSION, [], 0.0) == []
    [again] = duties.poll("a", b"\x01" * 16, [], 0.0)
    assert again.id == first.id
    duties.poll("a", b"\x01" * 16, [answer(again, b"done")], 0.0)
    asked.join(60)
    assert asked.answers == {"a": b"done"}


def test_nobody_answers_for_another_and_nobody_twice(duties: Duties) -> None:
    asked = Asked(duties, "a", "b")
    [given] = duties.poll("a", SESSION, [], 60.0)
    duties.poll("b", SESSION, [answer(given, b"forged")], 0.0)
    duties.poll("a", SESSION, [answer(given, b"first"), answer(given, b"second")], 0.0)
    [other] = duties.poll("b", b"\x02" * 16, [], 60.0)
    duties.poll("b", b"\x02" * 16, [answer(other, b"b")], 0.0)
    asked.join(60)
    assert asked.answers == {"a": b"first", "b": b"b"}


def test_a_second_call_ends_the_first(duties: Duties) -> None:
    ended = threading.Event()

    def wait() -> None:
        duties.poll("a", SESSION, [], 600.0)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    for _ in range(600):  # the first may not be there yet
        duties.poll("a", SESSION, [], 0.0)
        if ended.wait(0.1):
            break
    assert ended.is_set()


def test_a_member_that_takes_no_tasks_fills_no_memory(duties: Duties) -> None:
    threads = [Asked(duties, "a", seconds=600.0) for _ in range(MAX_TASKS + 5)]
    until(lambda: sum(thread.refusal is not None for thread in threads) >= 5)
    until(lambda: duties.unfinished() == {"a": MAX_TASKS})
    refused = [thread.refusal for thread in threads if thread.refusal is not None]
    assert [refusal.code for refusal in refused] == ["busy"] * 5
    duties.stop()
    for thread in threads:
        thread.join(60)


def test_a_reply_holds_no_more_than_fits_and_the_rest_comes_next(duties: Duties) -> None:
    large = wire.Task(first=wire.FirstTask(orders=[wire.TicketOrder(leaf=bytes(900_000))]))
    threads = [threading.Thread(target=_ask_in_vain, args=(duties, large), daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: duties.unfinished() == {"a": len(threads)})
    counts = [len(duties.poll("a", SESSION, [], 0.0)) for _ in range(4)]
    assert counts == [2, 2, 1, 0]
    duties.stop()


def _ask_in_vain(duties: Duties, given: wire.Task) -> None:
    with pytest.raises(Refused):
        duties.ask({"a": given}, 600.0)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
