"""Starts the thin apps: takes a task from a SuperLink or SuperNode here, forks, lets Flower's own runner work.

    python -m federation.runtime.flower.executor '{"app": "client", "runtime": "127.0.0.1:9101", ...}'

In place of Flower's `flower-superexec`, for three reasons: it takes one kind of task and no other; a fork of a process
that has Flower loaded starts at once where a new interpreter needs .7 s of CPU; and when an app dies without a word,
its task is reported as failed at once instead of after a minute without heartbeat. Runs one thread only, so that
forking is safe and the children can ask the kernel to die with it.

The tokens of tasks under way are kept in files: should the executor itself be killed, its apps die with it, and the
next executor reports their tasks as failed, which would otherwise count as running for a minute.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import httpx
from flwr.common.constant import SubStatus
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PushTaskOutputRequest
from flwr.supercore.constant import TaskType
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from federation.runtime.flower.companion import Companion, fork
from federation.runtime.flower.launch import ExecutorLaunch
from federation.runtime.flower.tuning import shorten_object_waits
from federation.runtime.logging import configure_process
from federation.runtime.private_files import private_directory, read_private, write_private

TASKS: Final = {"server": TaskType.SERVER_APP, "client": TaskType.CLIENT_APP}
RUNNERS: Final = {
    "server": ("flwr.superlink.cli.flwr_serverapp", "flwr_serverapp"),
    "client": ("flwr.supernode.cli.flwr_clientapp", "flwr_clientapp"),
}
BUSY_S: Final = 10.0
ACQUIRE: Final = "/flwr.proto.Runtime/AcquireTask"


class Executor:
    """The apps that are running, by process id, with the token of the task each works on; and the deaths to report."""

    def __init__(self, launch: ExecutorLaunch, run: Callable[[], None]) -> None:
        self._launch = launch
        self._run = run
        self._tokens: dict[int, str] = {}
        self._kept = private_directory(Path(os.environ["FLWR_HOME"]) / "tasks")
        self._dead = [file.read_text() for file in sorted(self._kept.iterdir())]
        self._unclean = False
        self._active = float("-inf")
        secret = SuperExecAuthHttpInterceptor(
            master_secret=read_private(launch.executor_secret), protected_methods={ACQUIRE}
        )
        self._client = self._connect(secret)

    @property
    def pause(self) -> float:
        """Seconds until the next step."""
        if self._tokens:
            self._active = time.monotonic()
        return self._launch.poll if time.monotonic() - self._active < BUSY_S else self._launch.idle

    def step(self) -> None:
        """Report what died, take at most one task. A runtime that is away is asked again at the next step."""
        self._reap()
        for token in [token for token in self._dead if self._report(token)]:
            self._dead.remove(token)
            self._forget(token)
        with suppress(httpx.HTTPError):
            answer = self._client.AcquireTask(AcquireTaskRequest(supported_task_types=[TASKS[self._launch.app]]))
            if answer.token:
                self._fork(answer.token)

    def _fork(self, token: str) -> None:
        def run() -> None:
            sys.argv = [RUNNERS[self._launch.app][1], *self._arguments(token)]
            self._run()

        write_private(self._file(token), token.encode())
        self._tokens[fork(run, log=self._launch.log)] = token

    def _file(self, token: str) -> Path:
        return self._kept / hashlib.sha256(token.encode()).hexdigest()

    def _forget(self, token: str) -> None:
        self._file(token).unlink(missing_ok=True)

    def _arguments(self, token: str) -> list[str]:
        authority = self._launch.authority
        security = ["--insecure"] if authority is None else ["--root-certificates", str(authority)]
        return ["--runtime-api-address", self._launch.runtime, "--token", token, *security]

    def _reap(self) -> None:
        for child in list(self._tokens):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                token = self._tokens.pop(child)
                if status != 0:
                    self._dead.append(token)
                    self._unclean = True
                else:
                    self._forget(token)
        if self._unclean and not self._tokens:
            remove_installed()
            self._unclean = False

    def _report(self, token: str) -> bool:
        """Fail the task of an app that ended badly; True once the runtime knows.

        If the app could still say so itself its token is spent, and the runtime refuses it: then it knows too.
        """
        output = PushTaskOutputRequest(sub_status=SubStatus.FAILED, details="the app ended early")
        try:
            with self._connect(RuntimeTokenHttpInterceptor(token)) as client:
                client.PushTaskOutput(output)
        except httpx.HTTPStatusError as error:
            return error.response.is_client_error
        except httpx.TransportError:
            return False
        return True

    def _connect(self, credential: ProtobufClientInterceptor) -> RuntimeHttpClient:
        authority = self._launch.authority
        return RuntimeHttpClient.from_server_address(
            server_address=self._launch.runtime,
            insecure=authority is None,
            root_certificates=None if authority is None else authority.read_bytes(),
            interceptors=[RuntimeVersionHttpInterceptor(component_name="SuperExec"), credential],
        )


def remove_installed() -> None:
    """Remove the bundles that are installed: one that is so by half would pass for whole with the next app."""
    shutil.rmtree(Path(os.environ["FLWR_HOME"]) / "apps", ignore_errors=True)


def serve(launch: ExecutorLaunch, beside: Callable[[], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, with Flower's own server `beside`. Raises ConfigurationError (readable secret)."""
    stopping: list[bool] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.append(True))
    remove_installed()
    shorten_object_waits()
    module, name = RUNNERS[launch.app]
    executor = Executor(launch, cast(Callable[[], None], getattr(importlib.import_module(module), name)))
    companion = None if beside is None else Companion(beside)
    if companion is not None:
        companion.step()
    for wanted in launch.preload:
        importlib.import_module(wanted)
    while not stopping:
        if companion is not None:
            companion.step()
        executor.step()
        time.sleep(executor.pause)
    if companion is not None:
        companion.stop()


def main() -> None:
    """The process' entry: the launch as JSON in the only argument."""
    configure_process(keep=("flwr",))
    serve(ExecutorLaunch.model_validate_json(sys.argv[1]))


if __name__ == "__main__":
    main()
