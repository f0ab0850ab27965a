"""Has a product process write down every message that reaches it: for tests, by way of PYTHONPATH.

    PYTHONPATH=tests/recording FEDSCORE_RECORDING=FOLDER python -m server.lookup.pool_process HOME

Nothing of the product knows of it. `federation.runtime.rpc` is the one door through which messages go in and out; when
it is imported, its server side (`_guarded`) and its client side (`call`) are wrapped. Each process appends to a file of
its own in FOLDER; tests/integration/recorded_world.py reads them.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import Any

_MODULE = "federation.runtime.rpc"


class _Recorder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def keep(self, **entry: Any) -> None:
        data = pickle.dumps({"pid": os.getpid(), "command": sys.orig_argv[1:], **entry})
        with self._lock, (self._folder / f"{os.getpid()}.recording").open("ab") as file:
            file.write(len(data).to_bytes(8, "big") + data)


def _serving(recorder: _Recorder, guarded: Any) -> Any:
    """Requests that reach a service, and what it answers: method, caller, bytes, times of arrival and of the reply."""

    def wrapped(name: str, method: Any) -> Any:
        inner = guarded(name, method)

        def recorded(request: Any, context: Any) -> Any:
            arrived, reply = time.monotonic(), None
            try:
                reply = inner(request, context)
                return reply
            finally:
                recorder.keep(
                    side="server",
                    method=method.__name__,
                    caller=b"".join(context.auth_context().get("x509_common_name", ())).decode(),
                    request=request.SerializeToString(),
                    reply=reply.SerializeToString() if reply is not None else None,
                    refusal=(context.details() or b"").decode() if reply is None else "",
                    times=(arrived, time.monotonic()),
                )

        return recorded

    return wrapped


def _calling(recorder: _Recorder, call: Any) -> Any:
    """Replies that reach a client, and what it asked."""

    def recorded(channel: Any, service: Any, method: str, request: Any, *, timeout: float) -> Any:
        sent, reply = time.monotonic(), None
        try:
            reply = call(channel, service, method, request, timeout=timeout)
            return reply
        finally:
            recorder.keep(
                side="client",
                method=method,
                caller="",
                request=request.SerializeToString(),
                reply=reply.SerializeToString() if reply is not None else None,
                refusal="" if reply is not None else "error",
                times=(sent, time.monotonic()),
            )

    return recorded


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the module as everybody does, and wraps its two doors once it is there."""

    def __init__(self, recorder: _Recorder) -> None:
        self._recorder = recorder

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        execute, recorder = spec.loader.exec_module, self._recorder

        def exec_module(module: Any) -> None:
            execute(module)
            module._guarded = _serving(recorder, module._guarded)
            module.call = _calling(recorder, module.call)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if folder := os.environ.get("FEDSCORE_RECORDING"):
    sys.meta_path.insert(0, _Finder(_Recorder(Path(folder))))
