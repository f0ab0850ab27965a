"""The launchers of SuperLink and SuperNode, step by step in this process: what they configure, guard and keep."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from flwr.supercore.inflatable import inflatable_utils

from federation.errors import ConfigurationError
from federation.runtime.flower import executor, superlink, supernode, tuning
from federation.runtime.flower.admission import Admission
from federation.runtime.flower.launch import CoordinatorLaunch, ExecutorLaunch, SuperLinkLaunch, SuperNodeLaunch
from federation.runtime.node_keys import new_flower_key
from federation.runtime.private_files import write_private


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    write_private(tmp_path / "secret", b"s" * 64)
    return tmp_path / "secret"


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
        slept: list[float] = []
        with monkeypatch.context() as patched:
            patched.setattr(tuning.time, "sleep", slept.append)
            vars(supernode.start_client_internal)["time"].sleep(3)
        assert slept == [node.idle]
        assert node.idle < 1
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


class NotedEvent(threading.Event):
    waits: ClassVar[list[float]] = []

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            self.waits.append(timeout)
        return super().wait(timeout)


def test_objects_are_asked_for_again_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree)
    kept = [dict(function.__kwdefaults__ or {}) for function in functions]
    try:
        tuning.shorten_object_waits()
        monkeypatch.setattr(inflatable_utils.threading, "Event", NotedEvent)
        asked: list[str] = []

        def pull(name: str) -> bytes:
            asked.append(name)
            if len(asked) < 2:
                raise inflatable_utils.ObjectUnavailableError("x")
            return b"there"

        assert inflatable_utils.pull_objects(["x"], pull) == {"x": b"there"}
        [wait] = NotedEvent.waits
        assert wait <= 1.2 * tuning.OBJECT_BACK_OFF  # with Flower's jitter
    finally:
        for function, defaults in zip(functions, kept, strict=True):
            function.__kwdefaults__ = defaults
