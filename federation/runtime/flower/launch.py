"""What each of Flower's processes is given: one frozen value per process, passed as JSON, naming secrets by file.

command = launch.command("federation.runtime.flower.superlink", SuperLinkLaunch(...))
environment = launch.environment(home / "flower" / "superlink")
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from federation.runtime.private_files import private_directory
from federation.runtime.processes import python_module

Port = Annotated[int, Field(ge=1, le=65535)]
LOOPBACK = "127.0.0.1"


class _Launch(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SuperLinkLaunch(_Launch):
    """`bind`:`port` is for nodes only; `operator_port` is on loopback only and asks for `operator_token`."""

    bind: str
    port: Port
    operator_port: Port
    database: Path
    certificate: Path
    key: Path
    authority: Path
    operator_token: Path
    executor_secret: Path


class SuperNodeLaunch(_Launch):
    """`superlink` is HOST:PORT. `idle` is how long to wait between two questions for work, in seconds."""

    superlink: str
    authority: Path
    node_key: Path
    node_socket: Path
    port: Port
    executor_secret: Path
    state: Path
    idle: float = Field(default=0.5, ge=0.05, le=10)


class ExecutorLaunch(_Launch):
    """Starts apps of one kind for the SuperLink or SuperNode at `runtime` (HOST:PORT on this machine).

    It asks for work every `poll` seconds, and every `idle` once an app has neither run nor been wanted for ten seconds:
    each question costs some ten milliseconds of CPU at both ends. `preload` names modules to import before the first
    app is forked, so that every app has them at once; `log` is where apps write, None for where the executor does.
    """

    app: Literal["server", "client"]
    runtime: str
    authority: Path | None
    executor_secret: Path
    poll: float = Field(default=0.2, ge=0.02, le=10)
    idle: float = Field(default=0.5, ge=0.02, le=10)
    preload: tuple[str, ...] = ()
    log: Path | None = None


class CoordinatorLaunch(_Launch):
    """One process for both: the SuperLink is forked from the executor of its round drivers."""

    superlink: SuperLinkLaunch
    executor: ExecutorLaunch


class InstitutionLaunch(_Launch):
    """One process for both: the SuperNode is forked from the executor of its thin apps."""

    supernode: SuperNodeLaunch
    executor: ExecutorLaunch


def command(module: str, launch: BaseModel) -> tuple[str, ...]:
    """How to run `module`, whose `main` takes the launch as JSON in its only argument."""
    return python_module(module, launch.model_dump_json())


def environment(folder: Path) -> dict[str, str]:
    """No telemetry, no look for updates, no installation of what a bundle asks for, Flower's own files in `folder`.

    One OpenMP thread: an app is forked, and OpenMP's threads do not survive a fork.
    """
    return {
        "FLWR_HOME": str(private_directory(folder)),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def new_secret() -> bytes:
    """What an executor and its runtime share: 256 random bits, in hexadecimal as Flower wants it."""
    return secrets.token_hex(32).encode()
