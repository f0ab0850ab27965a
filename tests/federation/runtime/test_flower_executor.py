"""The executor of apps, step by step in this process: what it asks of Flower, what it does when it does not answer."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import psutil
import pytest

from federation.runtime.flower import companion, executor
from federation.runtime.flower.launch import ExecutorLaunch
from federation.runtime.private_files import write_private
from federation.runtime.processes import BackOff


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "https://127.0.0.1/")
    return httpx.HTTPStatusError("", request=request, response=httpx.Response(status, request=request, text="{}"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    write_private(tmp_path / "secret", b"s" * 64)
    return tmp_path / "secret"


class Runtime:
    """In place of Flower's RuntimeHttpClient: hands out tokens, hears outputs."""

    tokens: ClassVar[list[str]] = []
    outputs: ClassVar[list[str]] = []
    troubles: ClassVar[list[Exception]] = []

    @classmethod
    def from_server_address(cls, **_: object) -> Runtime:
        return cls()

    def AcquireTask(self, request: Any) -> Any:  # noqa: N802
        self.trouble()
        return SimpleNamespace(token=self.tokens.pop(0) if self.tokens else "")

    def PushTaskOutput(self, request: Any) -> None:  # noqa: N802
        self.trouble()
        self.outputs.append(request.sub_status)

    def trouble(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        return None


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Runtime]:
    Runtime.tokens, Runtime.outputs, Runtime.troubles = [], [], []
    monkeypatch.setattr(executor, "RuntimeHttpClient", Runtime)
    monkeypatch.setenv("FLWR_HOME", str(tmp_path / "flower"))
    (tmp_path / "flower" / "apps").mkdir(parents=True)
    return Runtime


def launched(secret: Path, run: Callable[[], None], authority: Path | None = None) -> executor.Executor:
    launch = ExecutorLaunch(app="client", runtime="127.0.0.1:1", authority=authority, executor_secret=secret)
    return executor.Executor(launch, run)


def steps_until(made: executor.Executor, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120.0
    while not condition():
        assert time.monotonic() < deadline
        made.step()
        time.sleep(0.01)


def test_an_app_that_ends_well_is_not_reported(runtime: type[Runtime], secret: Path, tmp_path: Path) -> None:
    runtime.tokens = ["abc"]
    made = launched(secret, lambda: (tmp_path / "ran").touch())
    steps_until(made, lambda: (tmp_path / "ran").exists())
    steps_until(made, lambda: not made._tokens)
    assert runtime.outputs == []
    assert (tmp_path / "flower" / "apps").exists()


@pytest.mark.parametrize("code", [1, "a reason", None])
def test_an_app_may_exit_as_it_likes(runtime: type[Runtime], secret: Path, code: object) -> None:
    def leave() -> None:
        raise SystemExit(code)

    runtime.tokens = ["abc"]
    made = launched(secret, leave)
    steps_until(made, lambda: bool(made._tokens))
    steps_until(made, lambda: not made._tokens and not made._dead)
    assert runtime.outputs == ([] if code is None else ["failed"])


def test_an_app_that_is_killed_is_reported_until_the_runtime_knows(
    runtime: type[Runtime], secret: Path, tmp_path: Path
) -> None:
    runtime.tokens = ["abc"]
    made = launched(secret, lambda: time.sleep(600))
    steps_until(made, lambda: bool(made._tokens))
    [child] = made._tokens
    runtime.troubles = [httpx.ConnectError("away"), httpx.ConnectError("away"), answer(503)]
    os.kill(child, signal.SIGKILL)
    steps_until(made, lambda: runtime.outputs == ["failed"])
    assert made._dead == []
    assert not (tmp_path / "flower" / "apps").exists()


def test_a_spent_token_is_not_reported_again(runtime: type[Runtime], secret: Path) -> None:
    def fail() -> None:
        raise ValueError("in the app")

    runtime.tokens = ["abc"]
    made = launched(secret, fail)
    steps_until(made, lambda: bool(made._tokens))
    while made._tokens:
        made._reap()
        time.sleep(0.01)
    assert made._dead == ["abc"]
    runtime.troubles = [answer(401)]
    made.step()
    assert made._dead == []
    assert runtime.outputs == []


def test_tasks_of_an_executor_that_was_killed_are_reported_by_the_next(runtime: type[Runtime], secret: Path) -> None:
    runtime.tokens = ["abc"]
    killed = launched(secret, lambda: time.sleep(600))
    killed.step()
    [app] = killed._tokens
    os.kill(app, signal.SIGKILL)
    os.waitpid(app, 0)
    made = launched(secret, lambda: None)
    assert made._dead == ["abc"]
    runtime.troubles = [httpx.ConnectError("away")]
    made.step()
    assert made._dead == ["abc"]
    runtime.troubles = []
    made.step()
    assert runtime.outputs == ["failed"]
    assert made._dead == []
    assert launched(secret, lambda: None)._dead == []


def test_a_runtime_that_is_away_is_asked_again(runtime: type[Runtime], secret: Path) -> None:
    runtime.troubles = [httpx.ConnectError("away"), answer(500)]
    made = launched(secret, lambda: None)
    made.step()
    made.step()
    assert runtime.troubles == []


def test_apps_are_told_whom_to_believe(runtime: type[Runtime], secret: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"pem")
    assert launched(secret, lambda: None, tmp_path / "ca.crt")._arguments("t")[-2:] == [
        "--root-certificates",
        str(tmp_path / "ca.crt"),
    ]
    assert launched(secret, lambda: None)._arguments("t")[-1] == "--insecure"


def test_an_executor_asks_less_often_while_nothing_is_wanted(
    runtime: type[Runtime], secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(executor.time, "monotonic", lambda: now[0])
    made = launched(secret, lambda: None)
    assert made.pause == made._launch.idle
    made._tokens[1] = "abc"
    assert made.pause == made._launch.poll
    made._tokens.clear()
    now[0] = 9.0
    assert made.pause == made._launch.poll < made._launch.idle
    now[0] = 10.0
    assert made.pause == made._launch.idle


def test_a_server_beside_the_executor_is_started_again_and_ends_with_it(
    runtime: type[Runtime], secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first server fails, the second stays until the executor is asked to end; an app writes to its own log."""
    starts, log = tmp_path / "starts", tmp_path / "app.log"

    def server() -> None:
        with starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if len(starts.read_text().split()) == 1:
            raise RuntimeError("a bad start")
        signal.pause()

    def sleep(seconds: float) -> None:
        real(min(seconds, 0.02))
        if starts.exists() and len(starts.read_text().split()) == 2 and log.exists() and log.read_text():
            os.kill(os.getpid(), signal.SIGTERM)

    real, handlers = time.sleep, {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    runtime.tokens = ["abc"]
    monkeypatch.setattr(executor.time, "sleep", sleep)
    monkeypatch.setattr(executor.importlib, "import_module", lambda name: SimpleNamespace(flwr_clientapp=say))
    launch = ExecutorLaunch(app="client", runtime="127.0.0.1:1", authority=None, executor_secret=secret, log=log)
    try:
        executor.serve(launch, server)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert log.read_text() == "the app says\n"
    pids = [int(pid) for pid in starts.read_text().split()]
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def say() -> None:
    os.write(1, b"the app says\n")


def test_a_server_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tmp_path / "ready"

    def deaf() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ready.touch()
        while True:
            signal.pause()

    monkeypatch.setattr(companion, "GRACE_S", 0.1)
    made = companion.Companion(deaf)
    made.stop()  # nothing yet
    made.step()
    while not ready.exists():
        time.sleep(0.01)
    pid = made.pid
    made.step()
    assert made.pid == pid
    made.stop()
    assert made.pid is None
    assert not psutil.pid_exists(pid or 0)


def test_failures_in_a_row_are_waited_out() -> None:
    now = [0.0]
    made = companion.Companion(lambda: sys.exit(3), back_off=BackOff(first=1.0, longest=4.0), clock=lambda: now[0])
    starts = []
    for tick in range(100):
        now[0] = tick / 10
        before = made.pid
        made.step()
        if made.pid is not None and made.pid != before:
            starts.append(now[0])
            os.waitid(os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still to be waited for
    assert [round(later - earlier, 1) for earlier, later in pairwise(starts)] == [1.1, 2.1, 4.1]


def test_an_executor_starts_clean(runtime: type[Runtime], secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class EnoughError(Exception):
        pass

    def sleep(_: float) -> None:
        raise EnoughError

    monkeypatch.setattr(executor.time, "sleep", sleep)
    launch = ExecutorLaunch(
        app="client", runtime="127.0.0.1:1", authority=None, executor_secret=secret, preload=("json.tool",)
    )
    monkeypatch.setattr("sys.argv", ["executor", launch.model_dump_json()])
    with pytest.raises(EnoughError):
        executor.main()
    assert not (Path(os.environ["FLWR_HOME"]) / "apps").exists()
