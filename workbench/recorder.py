"""Has product processes write down every message that reaches them, as it reaches them.

    environment = recording(folder)                # for `Processes`: whatever is started with it records
    for message in read(folder): ...

Python imports `sitecustomize` when it starts; the one written here wraps the one door of the product,
`federation.runtime.rpc`, when that is imported. The product knows nothing of it, and no process is simulated. Messages
are written as they are after TLS, so the folder is as private as the homes; whoever made it removes it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = "FEDSCORE_RECORDING"
_DOOR = "federation.runtime.rpc"
_QUERY = "fedscore.lookup."  # the services of the private score query
_HOOK = "from workbench.recorder import install\n\ninstall({services!r})\n"


@dataclass(frozen=True)
class Message:
    """One message that reached a process, and what went out with it.

    command  the process' command line; method  the call; caller  the certificate's name (of a request), else ""
    body     what arrived; sent  bytes that went the other way
    at       when it arrived (s, monotonic: one clock for all processes); seconds  between request and reply
    """

    command: tuple[str, ...]
    request: bool
    method: str
    caller: str
    body: bytes = field(repr=False)
    sent: int
    at: float
    seconds: float


def recording(folder: Path, services: str = _QUERY) -> dict[str, str]:
    """Variables under which processes record into `folder`, which is made: services whose name begins so."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_HOOK.format(services=services))
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {FOLDER: str(folder), "PYTHONPATH": os.pathsep.join(path)}


def read(folder: Path) -> Iterator[Message]:
    """What every process wrote, process by process; a message that a process was killed over is left out."""
    for file in sorted(folder.glob("*.recording")):
        with file.open("rb") as opened:
            while line := opened.readline():
                if not line.endswith(b"\n"):
                    break
                header = json.loads(line)
                body = opened.read(header.pop("size"))
                yield Message(body=body, command=tuple(header.pop("command")), **header)


def install(services: str) -> None:
    """In a process that is to record: wrap the door once it is imported."""
    if folder := os.environ.get(FOLDER):
        sys.meta_path.insert(0, _Finder(_Writer(Path(folder), services)))


class _Writer:
    """Appends to a file of this process alone."""

    def __init__(self, folder: Path, services: str) -> None:
        self._folder, self._services, self._lock = folder, services, threading.Lock()

    def watches(self, service: Any) -> bool:
        return bool(service.full_name.startswith(self._services))

    def keep(self, *, request: bool, method: str, caller: str, body: bytes, sent: int, started: float) -> None:
        header = {"command": sys.orig_argv, "request": request, "method": method, "caller": caller, "sent": sent}
        ended = time.monotonic()
        header |= {"at": started if request else ended, "seconds": ended - started, "size": len(body)}
        file = self._folder / f"{os.getpid()}.recording"
        with self._lock, file.open("ab") as opened:
            opened.write(json.dumps(header).encode() + b"\n" + body)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the door where everybody finds it; both its sides are wrapped when it has been executed."""

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _DOOR:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        spec.loader.exec_module = _executing(spec.loader.exec_module, self._writer)  # type: ignore[method-assign]
        return spec


def _executing(execute: Any, writer: _Writer) -> Any:
    def exec_module(module: Any) -> None:
        execute(module)
        module.handlers = _serving(module.handlers, writer)
        module.call = _calling(module.call, writer)

    return exec_module


def _serving(handlers: Any, writer: _Writer) -> Any:
    """Requests that reach a service."""

    def recorded(service: Any, implementation: Any) -> Any:
        return handlers(service, _Service(implementation, writer) if writer.watches(service) else implementation)

    return recorded


class _Service:
    """An implementation whose every method keeps what it is asked, whatever comes of it."""

    def __init__(self, implementation: Any, writer: _Writer) -> None:
        self._implementation, self._writer = implementation, writer

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._implementation, name)

        def recorded(request: Any, context: Any) -> Any:
            started, sent = time.monotonic(), 0
            try:
                reply = method(request, context)
                sent = reply.ByteSize()
                return reply
            finally:
                caller = b"".join(context.auth_context().get("x509_common_name", ())).decode()
                body = request.SerializeToString()
                self._writer.keep(request=True, method=name, caller=caller, body=body, sent=sent, started=started)

        return recorded


def _calling(call: Any, writer: _Writer) -> Any:
    """Replies that reach whoever asked."""

    def recorded(channel: Any, service: Any, method: str, request: Any, *, timeout: float) -> Any:
        started = time.monotonic()
        reply = call(channel, service, method, request, timeout=timeout)
        if writer.watches(service):
            body, sent = reply.SerializeToString(), request.ByteSize()
            writer.keep(request=False, method=method, caller="", body=body, sent=sent, started=started)
        return reply

    return recorded
