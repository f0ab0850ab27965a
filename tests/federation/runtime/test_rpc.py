from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from federation.errors import ConfigurationError, LedgerError, Refused
from federation.runtime import pki, rpc
from protocols.errors import MessageError
from protocols.wire import training_pb2
from protocols.wire.training_pb2 import Envelope

NODE = training_pb2.DESCRIPTOR.services_by_name["Node"]


class Echo:
    def __init__(self) -> None:
        self.released = threading.Event()
        self.shown = b""

    def Handle(self, request: Envelope, context: grpc.ServicerContext) -> Envelope:  # noqa: N802
        self.shown = rpc.peer_certificate(context)
        actions = {
            "refuse": Refused("late", "deadline", got="then", expected="now"),
            "invalid": MessageError("kind", got="x", expected="y"),
            "ledger": LedgerError("ledger", got="a", expected="b"),
            "crash": RuntimeError("secret value 4711"),
        }
        if request.kind == "hang":
            self.released.wait(10)
        if request.kind in actions:
            raise actions[request.kind]
        return request


@contextmanager
def local(folder: Path, echo: Echo) -> Iterator[grpc.Channel]:
    address = f"unix:{folder / 'node.sock'}"
    with rpc.serve([rpc.handlers(NODE, echo)], address), rpc.dial(address) as channel:
        yield channel


def test_a_unix_socket_is_its_owners_alone(tmp_path: Path) -> None:
    with local(tmp_path, Echo()) as channel:
        assert (tmp_path / "node.sock").stat().st_mode & 0o777 == 0o600
        assert rpc.ask(channel, NODE, "Handle", Envelope(body=b"x"), timeout=60.0).body == b"x"


@pytest.mark.parametrize(("kind", "code"), [("refuse", "late"), ("invalid", "invalid"), ("ledger", "invalid")])
def test_what_is_raised_on_purpose_arrives_typed(tmp_path: Path, kind: str, code: str) -> None:
    with local(tmp_path, Echo()) as channel, pytest.raises(Refused) as caught:
        rpc.ask(channel, NODE, "Handle", Envelope(kind=kind), timeout=60.0)
    assert caught.value.code == code


def test_what_breaks_stays_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with local(tmp_path, Echo()) as channel:
        with pytest.raises(rpc.Unreachable, match="internal"):
            rpc.ask(channel, NODE, "Handle", Envelope(kind="crash"), timeout=60.0)
        with pytest.raises(grpc.RpcError) as caught:
            rpc.call(channel, NODE, "Handle", Envelope(kind="crash"), timeout=60.0)
    assert caught.value.details() == "internal"
    assert "4711" in caplog.text


def test_a_deadline_is_kept(tmp_path: Path) -> None:
    echo = Echo()
    with local(tmp_path, echo) as channel:
        with pytest.raises(rpc.Unreachable, match="deadline_exceeded"):
            rpc.ask(channel, NODE, "Handle", Envelope(kind="hang"), timeout=0.2)
        echo.released.set()


def test_a_network_address_needs_tls() -> None:
    with pytest.raises(ConfigurationError, match="no TLS"):
        rpc.start([], "127.0.0.1:0")
    with pytest.raises(ConfigurationError, match="no TLS"), rpc.dial("127.0.0.1:1"):
        pass


def test_a_port_is_served_once() -> None:
    authority = pki.Authority.create("x", datetime.now(UTC))
    key = pki.new_tls_key()
    chain = authority.sign_server(pki.signing_request(key, "x"), ["127.0.0.1"], datetime.now(UTC))
    with (
        rpc.serve([], "127.0.0.1:0", credentials=rpc.server_tls(key, chain)) as served,
        pytest.raises(ConfigurationError, match="cannot be bound"),
    ):
        rpc.start([], f"127.0.0.1:{served.port}", credentials=rpc.server_tls(key, chain))


def test_mutual_tls_shows_the_member(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority, key, mine = pki.Authority.create("x", now), pki.new_tls_key(), pki.new_tls_key()
    chain = authority.sign_server(pki.signing_request(key, "x"), ["127.0.0.1"], now)
    member = authority.sign_member(pki.signing_request(mine, "x"), "bank-a", now)
    echo = Echo()
    tls = rpc.server_tls(key, chain, client_authority=authority.certificate_pem)
    with rpc.serve([rpc.handlers(NODE, echo)], "127.0.0.1:0", credentials=tls, max_bytes=1000) as served:
        credentials = rpc.client_tls(authority.certificate_pem, key=mine, chain=member)
        with rpc.dial(f"127.0.0.1:{served.port}", credentials=credentials) as channel:
            rpc.ask(channel, NODE, "Handle", Envelope(), timeout=60.0)
            assert pki.member_of(echo.shown) == "bank-a"
            with pytest.raises(rpc.Unreachable, match="resource_exhausted"):
                rpc.ask(channel, NODE, "Handle", Envelope(body=bytes(2000)), timeout=60.0)
