"""Work over processes: the same results in the same order, and nothing left running or lying about, however it ends."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from federation.errors import ConfigurationError
from federation.lookup.parallel import WorkerError, spread
from protocols.errors import ProofError

ROOT = Path(__file__).parents[3]
_state: list[int] = []


def square(number: int) -> int:
    return number * number


def slow_first(number: int) -> int:
    time.sleep(0.3 if number == 0 else 0)
    return number


def process_and_calls(_: int) -> tuple[int, int]:
    return os.getpid(), len(_state)


def initialise(value: int) -> None:
    _state.append(value)


def refuse(number: int) -> int:
    if number == 3:
        raise ProofError("evaluation by beta", got="a lie", expected="the truth")
    return number


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def interrupt(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return number


def unpicklable(number: int) -> object:
    return lambda: number


def visible(secret: bytes, _: int) -> bytes:
    """Whatever another process of this machine could read about this one."""
    return b"".join(Path("/proc/self", name).read_bytes() for name in ("cmdline", "environ")) + bytes(len(secret))


def large(number: int) -> bytes:
    return bytes(number)


def workers() -> set[psutil.Process]:
    """The processes under this one that still do something: what ended, and was not waited for, is no process."""
    alive = set()
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if "resource_tracker" not in " ".join(child.cmdline()):
                alive.add(child)
    return alive


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = workers()  # a deployment that other tests share may be up
    yield
    psutil.wait_procs(workers() - before, timeout=60)
    assert workers() <= before


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_order(processes: int) -> None:
    assert list(spread(square, range(20), processes=processes)) == [n * n for n in range(20)]


def test_a_slow_chunk_holds_back_the_ones_after_it() -> None:
    assert list(spread(slow_first, range(6), processes=2)) == list(range(6))


def test_no_chunks_start_no_process() -> None:
    assert list(spread(square, [], processes=4)) == []


@pytest.mark.parametrize("processes", [1, 2])
def test_chunks_are_taken_as_results_are(processes: int) -> None:
    taken = []
    chunks = (taken.append(number) or number for number in itertools.count())  # type: ignore[func-returns-value]
    results = spread(square, chunks, processes=processes)
    assert [next(results) for _ in range(10)] == [n * n for n in range(10)]
    time.sleep(0.05)
    assert len(taken) <= 10 + 2 * processes
    results.close()  # type: ignore[attr-defined]


def test_chunks_and_results_larger_than_a_pipe_do_not_block() -> None:
    sizes = [1_000_000] * 6
    assert [len(data) for data in spread(large, sizes, processes=2)] == sizes
    chunks = [bytes(1_000_000)] * 6
    assert list(spread(len, chunks, processes=2)) == sizes


@pytest.mark.parametrize("processes", [1, 2])
def test_progress_counts_what_is_done(processes: int) -> None:
    told: list[int] = []
    list(spread(square, range(5), processes=processes, progress=told.append))
    assert told == [1, 2, 3, 4, 5]


def test_every_process_is_initialised_once() -> None:
    results = list(spread(process_and_calls, range(12), processes=2, initialise=partial(initialise, 7)))
    assert {calls for _, calls in results} == {1}
    assert os.getpid() not in {pid for pid, _ in results}
    assert _state == []


@pytest.mark.parametrize("processes", [1, 2])
def test_what_the_function_raises_is_raised_here_as_it_was(processes: int) -> None:
    with pytest.raises(ProofError) as caught:
        list(spread(refuse, range(50), processes=processes))
    assert (caught.value.field, caught.value.got, caught.value.expected) == ("evaluation by beta", "a lie", "the truth")
    assert str(caught.value) == "evaluation by beta: got a lie, expected the truth"


def test_what_initialise_raises_is_raised_here() -> None:
    with pytest.raises(ProofError):
        list(spread(square, range(4), processes=2, initialise=partial(refuse, 3)))


def test_a_worker_that_is_killed_is_an_error_not_a_gap() -> None:
    with pytest.raises(WorkerError, match="exit code -9"):
        list(spread(die, range(10), processes=2))


def test_ctrl_c_is_for_the_parent_alone_to_answer() -> None:
    """A terminal sends it to every process of the group."""
    assert list(spread(interrupt, range(4), processes=2)) == [0, 1, 2, 3]


def test_closing_does_not_wait_for_what_is_under_way() -> None:
    results = spread(time.sleep, [0.0, 0.0, 60.0, 60.0], processes=2)
    next(results)
    start = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 30.0


def test_a_result_that_cannot_travel_is_named_by_its_kind() -> None:
    with pytest.raises(WorkerError, match="function"):
        list(spread(unpicklable, range(4), processes=2))


def test_less_than_one_process_is_refused_at_the_call() -> None:
    with pytest.raises(ConfigurationError, match="processes"):
        spread(square, [1], processes=0)


def test_secrets_are_in_no_argument_or_environment_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    secret = os.urandom(32).hex().encode()
    (shown,) = spread(partial(visible, secret), [0], processes=2)
    assert secret not in shown
    assert b"spawn_main" in shown
    assert list(tmp_path.rglob("*")) == []


PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
from federation.lookup.parallel import spread
if __name__ == "__main__":
    for result in spread(time.sleep, [0.05] * 100_000, processes=2):
        print(result, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(number: signal.Signals, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(root=str(ROOT)))
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "None\n"
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 2
        if number is signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        assert process.wait(120) != 0
        _, alive = psutil.wait_procs(started, timeout=120)
        assert alive == []
        assert process.stderr is not None
        assert process.stderr.read().count("Traceback") == (1 if number is signal.SIGINT else 0)
