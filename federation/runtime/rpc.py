"""gRPC from a protobuf service descriptor: no generated service code, one way to serve and one to call.

Server:  with serve([handlers(NODE, implementation)], "unix:/run/node.sock") as server: ...
Client:  with dial("unix:/run/node.sock") as channel: ask(channel, NODE, "Handle", request, timeout=10.0)

`implementation` has one method per RPC, named as in the .proto: (request, grpc.ServicerContext) -> response. Unary
only. What an implementation raises on purpose (FederationError, ProtocolError) reaches the caller as a typed refusal;
whatever else it raises stays in this process's log, and the caller learns that something failed.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from federation.errors import ConfigurationError, FederationError, Refused
from federation.observability import metrics
from protocols.envelope import MAX_BYTES
from protocols.errors import ProtocolError

# A little above the largest envelope; gRPC's own 4 MiB would stop large models.
_LARGEST = MAX_BYTES + 2**16
# Two servers on one port would share its calls; a peer that dawdles over its handshake is dropped.
_SERVER_OPTIONS = (("grpc.so_reuseport", 0), ("grpc.server_handshake_timeout_ms", 10_000))
_CONCURRENT_CALLS = 64
_log = logging.getLogger(__name__)


class Unreachable(FederationError):  # noqa: N818 (the name is what the caller reads)
    """No answer: the party is away, too slow, or not the one its certificate should name."""


def handlers(service: ServiceDescriptor, implementation: object) -> grpc.GenericRpcHandler:
    """Handlers for every method of `service`. Raises AttributeError if `implementation` lacks one."""
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            _guarded(f"{service.name}.{method.name}", getattr(implementation, method.name)),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


@dataclass(frozen=True)
class Served:
    """A server that listens: its `port` (0 for a Unix socket) and how to end it."""

    server: grpc.Server
    port: int

    def close(self, *, grace: float = 1.0) -> None:
        """Stop accepting, give calls in flight `grace` seconds."""
        self.server.stop(grace).wait()


def start(
    services: Sequence[grpc.GenericRpcHandler],
    address: str,
    *,
    credentials: grpc.ServerCredentials | None = None,
    workers: int = 8,
    max_bytes: int = _LARGEST,
    max_reply: int | None = None,
) -> Served:
    """Listen on `address` ("host:port", port 0 for any; or "unix:/path"). TLS unless the address is a Unix socket.

    `workers` calls are served at once, for services that let callers wait more than the usual number may be open; a
    request has at most `max_bytes`, a reply `max_reply` (the same if not given).
    Raises ConfigurationError if the address is taken, or is a network address without credentials.
    """
    local = address.startswith("unix:")
    if credentials is None and not local:
        raise ConfigurationError(address, got="no TLS credentials", expected="TLS, or a Unix socket")
    options = (*_SERVER_OPTIONS, *_sized(max_bytes, max_reply))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="rpc")
    server = grpc.server(pool, options=options, maximum_concurrent_rpcs=max(_CONCURRENT_CALLS, workers))
    server.add_generic_rpc_handlers(tuple(services))
    try:
        port = _bind_local(server, address) if credentials is None else server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ConfigurationError(address, got="an address that cannot be bound", expected="a free one") from error
    server.start()
    return Served(server, 0 if local else port)


def _bind_local(server: grpc.Server, address: str) -> int:
    """A Unix socket that is its owner's alone from the moment it exists."""
    previous = os.umask(0o177)
    try:
        port: int = server.add_insecure_port(address)
    finally:
        os.umask(previous)
    Path(address.removeprefix("unix:")).chmod(0o600)
    return port


@contextmanager
def serve(
    services: Sequence[grpc.GenericRpcHandler],
    address: str,
    *,
    credentials: grpc.ServerCredentials | None = None,
    workers: int = 8,
    max_bytes: int = _LARGEST,
    max_reply: int | None = None,
) -> Iterator[Served]:
    """As `start`; closed when the block ends."""
    served = start(
        services, address, credentials=credentials, workers=workers, max_bytes=max_bytes, max_reply=max_reply
    )
    try:
        yield served
    finally:
        served.close()


def server_tls(key: bytes, chain: bytes, *, client_authority: bytes | None = None) -> grpc.ServerCredentials:
    """TLS for a server (PEM); with `client_authority`, clients must show a certificate that it issued."""
    return grpc.ssl_server_credentials(
        [(key, chain)], root_certificates=client_authority, require_client_auth=client_authority is not None
    )


def client_tls(authority: bytes, *, key: bytes | None = None, chain: bytes | None = None) -> grpc.ChannelCredentials:
    """TLS for a client that trusts `authority` (PEM) and nobody else; with `key` and `chain`, mutual."""
    return grpc.ssl_channel_credentials(root_certificates=authority, private_key=key, certificate_chain=chain)


@contextmanager
def dial(
    address: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    max_bytes: int = _LARGEST,
    max_request: int | None = None,
) -> Iterator[grpc.Channel]:
    """A channel to `address`, closed at the end; a reply has at most `max_bytes`, a request `max_request` (the same if
    not given). Raises ConfigurationError for a network address without TLS.
    """
    options = _sized(max_bytes, max_request)
    if credentials is not None:
        channel = grpc.secure_channel(address, credentials, options=options)
    elif address.startswith("unix:"):
        channel = grpc.insecure_channel(address, options=options)
    else:
        raise ConfigurationError(address, got="no TLS credentials", expected="TLS, or a Unix socket")
    with channel:
        yield channel


def call(channel: grpc.Channel, service: ServiceDescriptor, method: str, request: Message, *, timeout: float) -> Any:
    """The response message. Raises grpc.RpcError (DEADLINE_EXCEEDED after `timeout` seconds)."""
    output = GetMessageClass(service.methods_by_name[method].output_type)
    invoke = channel.unary_unary(
        f"/{service.full_name}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=output.FromString,
    )
    return invoke(request, timeout=timeout)


def ask(channel: grpc.Channel, service: ServiceDescriptor, method: str, request: Message, *, timeout: float) -> Any:
    """As `call`, with errors of this house: Refused (what the other party objects to) or Unreachable."""
    try:
        return call(channel, service, method, request, timeout=timeout)
    except grpc.RpcError as error:
        refusal = _read_refusal(error.details())
        if refusal is not None:
            raise refusal from error
        where = f"{service.name}.{method}"
        raise Unreachable(where, got=error.code().name.lower(), expected=f"an answer within {timeout:g} s") from error


def peer_certificate(context: grpc.ServicerContext) -> bytes:
    """The PEM certificate the caller showed under mutual TLS; empty if none."""
    pem: Sequence[bytes] = context.auth_context().get("x509_pem_cert", ())
    return pem[0] if pem else b""


def _guarded(
    name: str, method: Callable[[Any, grpc.ServicerContext], Any]
) -> Callable[[Any, grpc.ServicerContext], Any]:
    def guarded(request: Any, context: grpc.ServicerContext) -> Any:
        with metrics.timed("fedscore_rpc_seconds", method=name):
            try:
                answer = method(request, context)
                metrics.count("fedscore_rpc_calls_total", method=name, code="ok")
                return answer
            except (FederationError, ProtocolError) as error:
                status, code, refusal = grpc.StatusCode.FAILED_PRECONDITION, _code(error), _write_refusal(error)
            except Exception:
                _log.exception("%s failed", method.__name__)
                status, code, refusal = grpc.StatusCode.INTERNAL, "internal", "internal"
        metrics.count("fedscore_rpc_calls_total", method=name, code=code)
        # Outside the try: abort works by raising.
        context.abort(status, refusal)
        raise AssertionError("abort returned")  # pragma: no cover - it never does

    return guarded


def _code(error: FederationError | ProtocolError) -> str:
    return str(error.code) if isinstance(error, Refused) else "invalid"


def _write_refusal(error: FederationError | ProtocolError) -> str:
    where = error.field if isinstance(error, ProtocolError) else error.where
    parts = {"code": _code(error), "where": where, "got": error.got, "expected": error.expected}
    return json.dumps({key: str(value)[:200] for key, value in parts.items()})


def _read_refusal(details: str | None) -> Refused | None:
    try:
        parts = json.loads(details or "")
        code, where, got, expected = (str(parts[key])[:200] for key in ("code", "where", "got", "expected"))
    except (ValueError, TypeError, KeyError):
        return None
    return Refused(code, where, got=got, expected=expected)


def _sized(received: int, sent: int | None = None) -> tuple[tuple[str, int], ...]:
    return (("grpc.max_receive_message_length", received), ("grpc.max_send_message_length", sent or received))
