"""The SuperLink process: Flower's own, behind the guard, on two ports of one server.

python -m federation.runtime.flower.superlink '{"superlink": {"bind": "0.0.0.0", "port": 9092, ...}, "executor": {...}}'

The process that is started is the executor of round drivers; the SuperLink is its fork (`companion`).
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import uvicorn
from flwr.supercore.constant import NodeStatus
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan, _parse_superlink_lifespan_config
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app

from federation.runtime.flower import executor
from federation.runtime.flower.credentials import RegisteredNodes
from federation.runtime.flower.guard import Guard, OperatorOnly
from federation.runtime.flower.launch import LOOPBACK, CoordinatorLaunch, SuperLinkLaunch
from federation.runtime.flower.lobby import Lobby, doorway
from federation.runtime.logging import configure_process
from federation.runtime.private_files import read_private

LIVING = (NodeStatus.REGISTERED, NodeStatus.ONLINE, NodeStatus.OFFLINE)
STRANGERS, STRANGER_S = 64, 10.0


def serve(launch: SuperLinkLaunch) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError if a port is taken, ConfigurationError for a readable secret."""
    config = configuration(launch)
    flower = create_app(config, SuperLinkLifespan)
    nodes = RegisteredNodes(lambda: registered(flower))
    lobby = Lobby(STRANGERS, STRANGER_S, _later)
    application = Guard(flower, operator_port=launch.operator_port, nodes=nodes, on_known=lobby.leave)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http=doorway(lobby, public_port=launch.port),
            ssl_certfile=launch.certificate,
            ssl_keyfile=launch.key,
            ws="none",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    with ExitStack() as stack:
        addresses = (launch.bind, launch.port), (LOOPBACK, launch.operator_port)
        server.run(sockets=[stack.enter_context(_listen(*address)) for address in addresses])


def registered(flower: Any) -> frozenset[bytes]:
    """The public keys (PEM) of the nodes that a SuperLink application knows and has not removed."""
    nodes = flower.state.linkstate_factory.state().get_node_info(statuses=LIVING)
    return frozenset(node.public_key for node in nodes)


def configuration(launch: SuperLinkLaunch) -> SuperLinkLifespanConfig:
    """Flower's own configuration, as its command line would make it, with the operator's token required."""
    sys.argv = ["flower-superlink", *arguments(launch)]
    config = _parse_superlink_lifespan_config()
    config.authn_plugin = OperatorOnly(read_private(launch.operator_token).decode())
    return config


def arguments(launch: SuperLinkLaunch) -> list[str]:
    """Flower's documented options. The apps run outside (`process`), so that taking one over needs the secret."""
    read_private(launch.executor_secret)
    return [
        *("--host", launch.bind, "--port", str(launch.port), "--database", str(launch.database)),
        *("--ssl-ca-certfile", str(launch.authority), "--ssl-certfile", str(launch.certificate)),
        *("--ssl-keyfile", str(launch.key), "--isolation", "process"),
        *("--superexec-auth-secret-file", str(launch.executor_secret)),
        *("--enable-supernode-auth", "--disable-runtime-dependency-installation"),
    ]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=512)


def _later(seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, call)


def main() -> None:
    """The process' entry: the launch as JSON in the only argument."""
    configure_process(keep=("flwr",))
    launch = CoordinatorLaunch.model_validate_json(sys.argv[1])
    executor.serve(launch.executor, beside=lambda: serve(launch.superlink))


if __name__ == "__main__":
    main()
