"""The guard in front of a SuperLink: who reaches what, and with which credentials."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.supercore.protobuf.client import ProtobufRequestContext
from flwr.supernode import node_auth_http_interceptor
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from google.protobuf.empty_pb2 import Empty
from hypothesis import given
from hypothesis import strategies as st

from federation.runtime.flower import guard as guarding
from federation.runtime.flower.credentials import RegisteredNodes
from federation.runtime.flower.guard import CARRYING, FLEET, MAX_BODY, SMALL_BODY, Guard

PUBLIC, OPERATOR = 9092, 9093


KEY = ec.generate_private_key(ec.SECP384R1())


STRANGER = ec.generate_private_key(ec.SECP384R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(key: ec.EllipticCurvePrivateKey = KEY, *, ago: float = 0.0, shown: bytes = b"") -> dict[bytes, bytes]:
    """What a SuperNode sends: made by Flower's own interceptor, its clock `ago` seconds behind."""
    interceptor = NodeAuthHttpInterceptor(key, key.public_key())
    request = httpx.Request("POST", "https://superlink")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node_auth_http_interceptor, "now", lambda: datetime.now(UTC) - timedelta(seconds=ago))
        interceptor.intercept(ProtobufRequestContext("m", Empty(), request), lambda context: httpx.Response(200))
    headers = {name: value for name, value in request.headers.raw if name.startswith(b"flwr-")}
    return headers | ({b"flwr-public-key": b64encode(shown)} if shown else {})


def ask(
    path: str,
    *,
    port: int = PUBLIC,
    length: bytes | None = b"0",
    kind: str = "http",
    server: Any = "default",
    credentials: dict[bytes, bytes] | None = None,
    known: list[Any] | None = None,
) -> int:
    """The status a request gets; 200 where it reaches Flower. By a registered node, unless `credentials` say else."""
    statuses: list[int] = []

    async def flower(scope: Any, receive: Any, send: Any) -> None:
        statuses.append(200)

    async def send(message: MutableMapping[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    async def receive() -> MutableMapping[str, Any]:
        assert statuses == []
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = list((signed() if credentials is None else credentials).items())
    headers += [] if length is None else [(b"content-length", length)]
    address = ("10.0.0.1", port) if server == "default" else server
    scope = {"type": kind, "path": path, "server": address, "headers": headers, "client": ("10.0.0.9", 1)}
    nodes = RegisteredNodes(lambda: {pem(KEY)})
    guard = Guard(flower, operator_port=OPERATOR, nodes=nodes, on_known=[].append if known is None else known.append)
    asyncio.run(guard(scope, receive, send))
    [status] = statuses
    return status


SIGNED = signed()  # for what is wrong in another way; a signature is too old before the last test runs


@pytest.mark.parametrize("path", sorted(FLEET))
def test_nodes_reach_the_fleet(path: str) -> None:
    assert ask(path) == 200
    assert ask(path, port=OPERATOR) == 404


@pytest.mark.parametrize("path", ["/v1/control/start-run", "/v1/control/list-runs", "/v1/runtime/acquire-task"])
def test_the_operator_has_a_port_of_its_own(path: str) -> None:
    assert ask(path) == 404
    assert ask(path, port=OPERATOR) == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/fleet/register-node",
        "/v1/fleet/unregister-node",
        "/v1/fleet/get-fab/",
        "/v1/fleet//get-fab",
        "/v1/fleet/../control/start-run",
        "/V1/fleet/get-fab",
        "/docs",
        "/openapi.json",
        "/v1/responses",
        "/health",
        "/",
        "",
    ],
)
def test_everything_else_is_not_there(path: str) -> None:
    assert ask(path) == 404


@given(path=st.text())
def test_no_path_but_those_named_reaches_flower(path: str) -> None:
    assert (ask(path) == 200) == (path in FLEET)


@pytest.mark.parametrize("length", [None, b"", b"-1", b"ten", str(MAX_BODY + 1).encode()])
def test_a_body_announces_a_bearable_size(length: bytes | None) -> None:
    assert ask("/v1/fleet/get-fab", length=length) == 413
    assert ask("/v1/fleet/push-object", length=length) == 413
    assert ask("/v1/control/start-run", port=OPERATOR, length=length) == 413


@pytest.mark.parametrize("path", sorted(FLEET))
def test_only_what_carries_objects_may_be_large(path: str) -> None:
    assert ask(path, length=str(SMALL_BODY).encode()) == 200
    assert ask(path, length=str(MAX_BODY).encode()) == (200 if path in CARRYING else 413)


def without(name: bytes) -> dict[bytes, bytes]:
    return {other: value for other, value in SIGNED.items() if other != name}


ED25519 = (
    ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)


@pytest.mark.parametrize(
    "credentials",
    [
        {},
        *(without(name) for name in SIGNED),
        *({**SIGNED, name: b"?"} for name in SIGNED),
        *({**SIGNED, name: b"A" * 2000} for name in SIGNED),
        signed(STRANGER),
        signed(STRANGER, shown=pem(KEY)),
        signed(shown=pem(STRANGER)),
        signed(ago=1000.0),
        signed(ago=-1000.0),
        {**SIGNED, b"flwr-timestamp": b"2026-07-04T00:00:00"},
    ],
)
def test_no_body_is_read_but_a_registered_nodes(credentials: dict[bytes, bytes]) -> None:
    known: list[Any] = []
    for path in FLEET:
        assert ask(path, credentials=credentials, known=known) == 401
    assert known == []
    assert ask("/v1/fleet/get-fab", known=known) == 200
    assert known == [("10.0.0.9", 1)]


def test_a_key_of_another_kind_is_nobodys() -> None:
    credentials = signed(shown=ED25519)
    nodes = RegisteredNodes(lambda: {ED25519})
    assert asyncio.run(nodes.caller(credentials.items())) is None


def test_a_new_node_is_known_at_once_and_strangers_ask_nothing_of_the_database() -> None:
    asked, clock = [0], [0.0]
    registered: set[bytes] = set()

    def read() -> set[bytes]:
        asked[0] += 1
        return set(registered)

    async def scenario() -> None:
        nodes = RegisteredNodes(read, clock=lambda: clock[0])
        strangers = await asyncio.gather(*(nodes.caller(signed(STRANGER).items()) for _ in range(50)))
        assert strangers == [None] * 50
        assert asked == [1]
        registered.add(pem(KEY))
        clock[0] = 0.6
        assert await nodes.caller(signed().items()) == pem(KEY)
        assert await nodes.caller(signed().items()) == pem(KEY)
        assert asked == [2]
        registered.clear()
        clock[0] = 11.0
        assert await nodes.caller(signed().items()) is None

    asyncio.run(scenario())


def requests_at_once(count: int, monkeypatch: pytest.MonkeyPatch, *, hang: bool) -> list[int]:
    """What `count` nodes get that push as much as they may at once: 0 where Flower has it.

    Flower keeps what it has until everybody was told something.
    """
    monkeypatch.setattr(guarding, "BODY_S", 0.05 if hang else 120.0)
    keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(count)]
    statuses: list[int] = []

    async def flower(scope: Any, receive: Any, send: Any) -> None:
        statuses.append(0)
        while len(statuses) < count:
            await asyncio.sleep(0.01)

    async def send(message: MutableMapping[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(60 if hang else 0)
        return {"type": "http.request"}

    async def scenario() -> None:
        nodes = RegisteredNodes(lambda: {pem(key) for key in keys})
        guard = Guard(flower, operator_port=OPERATOR, nodes=nodes)
        length = str(MAX_BODY).encode()
        await asyncio.gather(
            *(
                guard(
                    {
                        "type": "http",
                        "path": "/v1/fleet/push-object",
                        "server": ("10.0.0.1", PUBLIC),
                        "headers": [*signed(key).items(), (b"content-length", length)],
                    },
                    receive,
                    send,
                )
                for key in keys
            )
        )

    asyncio.run(scenario())
    return sorted(statuses)


def test_all_bodies_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert requests_at_once(6, monkeypatch, hang=False) == [0, 0, 0, 0, 503, 503]


def test_a_body_that_never_comes_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert requests_at_once(2, monkeypatch, hang=True) == [408, 408]


def test_a_socket_without_a_port_is_public() -> None:
    assert ask("/v1/control/start-run", server=None) == 404


def test_the_lifespan_is_flowers_own() -> None:
    assert ask("", kind="lifespan") == 200


def test_nothing_but_http() -> None:
    with pytest.raises(PermissionError, match="websocket"):
        ask("/v1/fleet/get-fab", kind="websocket")
