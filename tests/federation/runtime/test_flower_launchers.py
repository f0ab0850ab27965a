"""The launchers, step by step in this process: what they ask of Flower, what they do when it does not answer."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flwr.supercore.inflatable import inflatable_utils

from federation.errors import ConfigurationError
from federation.runtime.flower import companion, executor, superlink, supernode, tuning
from federation.runtime.flower.admission import Admission
from federation.runtime.flower.control import Control, ControlError, RunState
from federation.runtime.flower.launch import CoordinatorLaunch, ExecutorLaunch, SuperLinkLaunch, SuperNodeLaunch
from federation.runtime.node_keys import new_flower_key
from federation.runtime.private_files import write_private
from federation.runtime.processes import BackOff


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "https://127.0.0.1/")
    return httpx.HTTPStatusError("", request=request, response=httpx.Response(status, request=request, text="{}"))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    write_private(tmp_path / "secret", b"s" * 64)
    return tmp_path / "secret"


# The executor.


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
    deadline = time.monotonic() + 5.0
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
    made = launched(secret, lambda: time.sleep(60))
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
    killed = launched(secret, lambda: time.sleep(60))
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


# The SuperLink.


def superlink_launch(folder: Path, secret: Path) -> SuperLinkLaunch:
    from datetime import UTC, datetime

    from federation.runtime.pki import Authority, new_tls_key, signing_request

    authority, key = Authority.create("test", datetime.now(UTC)), new_tls_key()
    (folder / "ca.crt").write_bytes(authority.certificate_pem)
    (folder / "tls.key").write_bytes(key)
    chain = authority.sign_server(signing_request(key, "127.0.0.1"), ("127.0.0.1",), datetime.now(UTC))
    (folder / "tls.crt").write_bytes(chain)
    return SuperLinkLaunch(
        bind="127.0.0.1",
        port=9092,
        operator_port=9093,
        database=folder / "superlink.db",
        certificate=folder / "tls.crt",
        key=folder / "tls.key",
        authority=folder / "ca.crt",
        operator_token=secret,
        executor_secret=secret,
    )


def test_the_superlink_is_configured_to_ask(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [])
    config = superlink.configuration(superlink_launch(tmp_path, secret))
    assert config.enable_supernode_auth
    assert config.isolation == "process"
    assert config.superexec_auth_secret == b"s" * 64
    assert not config.insecure
    assert not config.runtime_dependency_install
    assert not config.authn_plugin.validate_tokens_in_metadata([])[0]


def test_the_superlink_listens_in_two_places(tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int]] = []
    ports = iter((0, 0))
    real = superlink._listen
    monkeypatch.setattr(superlink, "_listen", lambda host, port: seen.append((host, port)) or real(host, next(ports)))
    monkeypatch.setattr(superlink.uvicorn.Server, "run", lambda self, sockets: seen.append(("sockets", len(sockets))))
    both = CoordinatorLaunch(
        superlink=superlink_launch(tmp_path, secret),
        executor=ExecutorLaunch(app="server", runtime="127.0.0.1:1", authority=None, executor_secret=secret),
    )
    monkeypatch.setattr("sys.argv", ["superlink", both.model_dump_json()])
    monkeypatch.setattr(executor, "serve", lambda launch, beside: beside())
    superlink.main()
    assert seen == [("127.0.0.1", 9092), ("127.0.0.1", 9093), ("sockets", 2)]


def test_a_secret_that_others_can_read_is_none(tmp_path: Path, secret: Path) -> None:
    secret.chmod(0o644)
    with pytest.raises(ConfigurationError, match="mode 0644"):
        superlink.arguments(superlink_launch(tmp_path, secret))


# The SuperNode.


@pytest.fixture
def node(tmp_path: Path, secret: Path) -> SuperNodeLaunch:
    write_private(tmp_path / "node_key", new_flower_key()[0])
    (tmp_path / "ca.crt").write_bytes(b"pem")
    return SuperNodeLaunch(
        superlink="127.0.0.1:1",
        authority=tmp_path / "ca.crt",
        node_key=tmp_path / "node_key",
        node_socket=tmp_path / "node.sock",
        port=2,
        executor_secret=secret,
        state=tmp_path / "state",
        idle=0.3,
    )


class Fleet:
    """In place of FleetHttpClient: hears who signs off."""

    gone: ClassVar[list[int]] = []

    @classmethod
    @contextmanager
    def from_server_address(cls, *_: object, **__: object) -> Iterator[type[Fleet]]:
        yield cls

    @classmethod
    def DeactivateNode(cls, request: Any) -> None:  # noqa: N802
        cls.gone.append(request.node_id)
        raise httpx.ConnectError("away")


def test_a_new_process_signs_off_the_one_before(node: SuperNodeLaunch, monkeypatch: pytest.MonkeyPatch) -> None:
    Fleet.gone = []
    monkeypatch.setattr(supernode, "FleetHttpClient", Fleet)
    supernode.sign_off(node)
    assert Fleet.gone == []
    node.state.write_text("17")
    supernode.sign_off(node)
    assert Fleet.gone == [17]
    node.state.write_text("torn")
    assert supernode.last_node_id(node.state) is None


def test_a_node_key_is_an_elliptic_curve_key(tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_private(tmp_path / "key", other)
    with pytest.raises(ConfigurationError, match="elliptic-curve"):
        supernode.node_key(tmp_path / "key")


def test_a_supernode_never_lingers(node: SuperNodeLaunch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [])
    monkeypatch.setattr(supernode, "flower_supernode", lambda: None)
    kept = dict(vars(supernode.start_client_internal))
    codes: list[int] = []
    monkeypatch.setattr(supernode.os, "_exit", codes.append)
    try:
        supernode.serve(node, allowed=frozenset, on_refused=lambda _: None)
        assert vars(supernode.start_client_internal)["http_request_response"] is not kept["http_request_response"]
        started = time.monotonic()
        vars(supernode.start_client_internal)["time"].sleep(3)
        assert 0.25 < time.monotonic() - started < 2.0
    finally:
        vars(supernode.start_client_internal).update(kept)
    assert codes == [1]
    assert "--trusted-entities" in supernode.sys.argv
    assert f'node-socket="{node.node_socket}"' in supernode.sys.argv


def test_a_connection_keeps_the_node_id_and_guards_bundles(
    node: SuperNodeLaunch, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def connection(*_: object) -> Iterator[tuple[Any, ...]]:
        yield (99, "receive", "send", "get_run", lambda *_: None, "pull", "push", "confirm")

    monkeypatch.setattr(supernode, "http_request_response", connection)
    admission = Admission(frozenset, lambda _: None)
    with supernode._connection(admission, node.state)("address", False) as given:
        assert given[:4] == (99, "receive", "send", "get_run")
        assert given[5:] == ("pull", "push", "confirm")
        assert given[4].__qualname__.startswith("Admission.guard")
    assert supernode.last_node_id(node.state) == 99


def test_objects_are_asked_for_again_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree)
    kept = [dict(function.__kwdefaults__ or {}) for function in functions]
    try:
        tuning.shorten_object_waits()
        asked: list[float] = []

        def pull(_: str) -> bytes:
            asked.append(time.monotonic())
            if len(asked) < 2:
                raise inflatable_utils.ObjectUnavailableError("x")
            return b"there"

        assert inflatable_utils.pull_objects(["x"], pull) == {"x": b"there"}
        assert asked[1] - asked[0] < 0.6
    finally:
        for function, defaults in zip(functions, kept, strict=True):
            function.__kwdefaults__ = defaults


# Control.


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
