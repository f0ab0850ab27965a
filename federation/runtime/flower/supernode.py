"""The SuperNode process: Flower's own, running only what its institution allows, back at once after a crash.

    serve(launch, allowed=lambda: home.allowed_bundles, on_refused=record)

A SuperNode that was killed is refused with error 2004 for a minute, until the SuperLink misses its heartbeats. Here the
node id is kept on disk, and a new process first signs off in the name of the one before (it holds the same key).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key
from flwr.proto.fleet_pb2 import DeactivateNodeRequest
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supernode import start_client_internal
from flwr.supernode.cli.flower_supernode import flower_supernode
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.fleet_http_connection import http_request_response
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from federation.errors import ConfigurationError
from federation.runtime.flower.admission import Admission, GetFab
from federation.runtime.flower.launch import LOOPBACK, SuperNodeLaunch
from federation.runtime.flower.tuning import shorten_object_waits, shorten_retries, shorten_sleeps
from federation.runtime.private_files import read_private, write_public

_GET_FAB = 4  # the place of `get_fab` in what a Fleet connection yields


def serve(
    launch: SuperNodeLaunch, *, allowed: Callable[[], Collection[str]], on_refused: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT; never returns. Ends with an error where Flower would linger unconnected."""
    shorten_sleeps(start_client_internal, launch.idle)
    shorten_object_waits()
    shorten_retries()
    sign_off(launch)
    admission = Admission(allowed, on_refused)
    vars(start_client_internal)["http_request_response"] = _connection(admission, launch.state)
    sys.argv = ["flower-supernode", *arguments(launch, admission.trust(launch.state.with_suffix(".trusted")))]
    flower_supernode()
    os._exit(1)  # Flower's HTTP thread would keep a process alive that serves no one


def arguments(launch: SuperNodeLaunch, trusted: Path) -> list[str]:
    """Flower's documented options. Apps run outside (`process`), so that taking a task needs the secret."""
    read_private(launch.executor_secret)
    return [
        *("--superlink", launch.superlink, "--root-certificates", str(launch.authority)),
        *("--auth-supernode-private-key", str(launch.node_key), "--trusted-entities", str(trusted)),
        *("--host", LOOPBACK, "--port", str(launch.port), "--isolation", "process"),
        *("--superexec-auth-secret-file", str(launch.executor_secret)),
        *("--node-config", f'node-socket="{launch.node_socket}"'),
    ]


def sign_off(launch: SuperNodeLaunch) -> None:
    """Tell the SuperLink that the process before this one is gone. If it cannot be told, it will notice by itself."""
    node_id = last_node_id(launch.state)
    if node_id is None:
        return
    key = node_key(launch.node_key)
    with (
        suppress(httpx.HTTPError),
        FleetHttpClient.from_server_address(
            launch.superlink,
            False,
            launch.authority.read_bytes(),
            interceptors=[
                RuntimeVersionHttpInterceptor(component_name="SuperNode"),
                NodeAuthHttpInterceptor(key, key.public_key()),
            ],
        ) as client,
    ):
        client.DeactivateNode(DeactivateNodeRequest(node_id=node_id))


def last_node_id(state: Path) -> int | None:
    """The node id the SuperLink gave this key, or None before the first connection."""
    with suppress(OSError, ValueError):
        return int(state.read_text())
    return None


def node_key(file: Path) -> ec.EllipticCurvePrivateKey:
    """The node's key (OpenSSH). Raises ConfigurationError if it is another kind of key."""
    key = load_ssh_private_key(read_private(file), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(str(file), got=type(key).__name__, expected="an elliptic-curve key")
    return key


def _connection(admission: Admission, state: Path) -> Callable[..., Any]:
    """Flower's Fleet connection, with guarded bundles and the node id kept."""

    @contextmanager
    def connection(*arguments: Any) -> Iterator[tuple[Any, ...]]:
        with http_request_response(*arguments) as given:
            write_public(state, str(given[0]).encode())
            get_fab = cast(GetFab, given[_GET_FAB])
            yield (*given[:_GET_FAB], admission.guard(get_fab), *given[_GET_FAB + 1 :])

    return connection
