"""The guard in front of a SuperLink, and the list in front of a SuperNode."""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flwr.common.constant import ACCESS_TOKEN_KEY, NOOP_FLWR_AID
from flwr.supercore.fab import Fab
from flwr.supercore.protobuf.client import ProtobufRequestContext
from flwr.supernode import node_auth_http_interceptor
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from flwr.supernode.start_client_internal import _verify_fab
from google.protobuf.empty_pb2 import Empty
from hypothesis import given
from hypothesis import strategies as st

from federation.runtime.flower import guard as guarding
from federation.runtime.flower.admission import Admission
from federation.runtime.flower.credentials import RegisteredNodes
from federation.runtime.flower.guard import CARRYING, FLEET, MAX_BODY, SMALL_BODY, Guard, OperatorOnly
from federation.runtime.flower.intake import Busy, Intake, read_body, replay
from federation.runtime.flower.lobby import Lobby

PUBLIC, OPERATOR = 9092, 9093
TOKEN = "0123456789abcdef" * 4


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


def requests_at_once(count: int, monkeypatch: pytest.MonkeyPatch, *, hang: bool) -> list[int]:
    """What `count` nodes get that push as much as they may at once: 0 where Flower has it."""
    monkeypatch.setattr(guarding, "BODY_S", 0.05)
    keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(count)]
    statuses: list[int] = []

    async def flower(scope: Any, receive: Any, send: Any) -> None:
        statuses.append(0)
        await asyncio.sleep(0.05)

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


def test_a_body_is_read_whole_and_given_on_once() -> None:
    messages = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def scenario() -> None:
        body = await read_body(receive, seconds=1.0)
        assert body == b"abc"
        again = replay(body, receive)
        assert (await again())["body"] == b"abc"
        assert (await again())["type"] == "http.disconnect"
        messages.append({"type": "http.disconnect"})
        assert await read_body(receive, seconds=1.0) is None

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


def test_a_socket_without_a_port_is_public() -> None:
    assert ask("/v1/control/start-run", server=None) == 404


def test_the_lifespan_is_flowers_own() -> None:
    assert ask("", kind="lifespan") == 200


def test_nothing_but_http() -> None:
    with pytest.raises(PermissionError, match="websocket"):
        ask("/v1/fleet/get-fab", kind="websocket")


def test_the_operators_token_is_the_only_one() -> None:
    plugin = OperatorOnly(TOKEN)
    admitted, account = plugin.validate_tokens_in_metadata([(ACCESS_TOKEN_KEY, TOKEN)])
    assert admitted
    assert account is not None
    assert account.flwr_aid == NOOP_FLWR_AID
    assert plugin.validate_tokens_in_metadata([(ACCESS_TOKEN_KEY, TOKEN.encode())])[0]
    assert plugin.get_login_details() is None
    assert plugin.get_auth_tokens("") is None
    assert plugin.refresh_tokens([(ACCESS_TOKEN_KEY, TOKEN)]) == (None, None)


@given(shown=st.text() | st.none())
def test_no_other_token_is_admitted(shown: str | None) -> None:
    metadata = [] if shown is None else [(ACCESS_TOKEN_KEY, shown)]
    admitted, account = OperatorOnly(TOKEN).validate_tokens_in_metadata(metadata)
    assert admitted == (shown == TOKEN)
    assert (account is None) == (shown != TOKEN)


def test_a_token_is_never_empty() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        OperatorOnly("")


@pytest.fixture
def content() -> bytes:
    return b"a bundle"


def trusted(admission: Admission, folder: Path) -> dict[str, str]:
    entities: dict[str, str] = json.loads(admission.trust(folder / "trusted").read_text())
    return entities


def test_an_allowed_bundle_passes_flowers_own_check(content: bytes, tmp_path: Path) -> None:
    allowed = {hashlib.sha256(content).hexdigest()}
    admission = Admission(lambda: allowed, lambda _: pytest.fail("refused"))
    fab = admission.guard(lambda fab_hash, run: Fab(fab_hash, content, {}))("what the SuperLink says", 1)
    assert fab.verifications["valid_license"]
    assert _verify_fab(fab, trusted(admission, tmp_path))
    assert fab.hash_str in allowed
    other = Fab(fab.hash_str, b"another", fab.verifications)
    assert not _verify_fab(other, trusted(admission, tmp_path))


def test_what_is_not_allowed_is_refused_and_told_once_per_run(content: bytes) -> None:
    told: list[str] = []
    admission = Admission(lambda: frozenset(), told.append)
    forged = {"valid_license": "yes", "fpk_institution": json.dumps({"signed_at": 1, "signature": "AAAA"})}
    get_fab = admission.guard(lambda fab_hash, run: Fab(fab_hash, content, forged))
    assert get_fab("x", 1).verifications == {}
    assert get_fab("x", 1).verifications == {}
    assert told == [hashlib.sha256(content).hexdigest()]
    get_fab("x", 2)
    assert len(told) == 2


def test_the_list_is_read_anew(content: bytes) -> None:
    allowed: set[str] = set()
    get_fab = Admission(lambda: allowed, lambda _: None).guard(lambda fab_hash, run: Fab(fab_hash, content, {}))
    assert not get_fab("x", 1).verifications
    allowed.add(hashlib.sha256(content).hexdigest())
    assert get_fab("x", 1).verifications


def test_one_process_signature_is_worth_nothing_to_another(content: bytes, tmp_path: Path) -> None:
    allowed = {hashlib.sha256(content).hexdigest()}
    first, second = (Admission(lambda: allowed, lambda _: None) for _ in range(2))
    fab = first.guard(lambda fab_hash, run: Fab(fab_hash, content, {}))("x", 1)
    assert not _verify_fab(fab, trusted(second, tmp_path))
