"""Callers of the log over HTTP that hold its places."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str) -> None:
    """Within the minute after which those that wait are answered."""
    deadline = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def waiting(port: int, after: int, address: str, count: int) -> list[socket.socket]:
    """Connections from the loopback `address` that wait for a checkpoint, or are about to."""
    held = []
    for _ in range(count):
        raw = socket.create_connection(("127.0.0.1", port), 10, source_address=(address, 0))
        raw.sendall(f"GET /checkpoint?after={after}&wait=60 HTTP/1.1\r\nHost: log\r\n\r\n".encode())
        held.append(raw)
    return held
