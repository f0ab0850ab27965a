"""Waits of Flower's that rule the length of a start or of a round, shortened in our own processes.

A SuperNode sleeps 3 s when it finds no message and .5 s between looks for its app's reply; whoever pulls an object that
is still on its way waits 1 s, then 2, 4 ..., and so does whoever finds no server. Flower 1.41 has no option for them. A
round of three institutions takes about 5 s with them, 2 s without; the load is two small requests a second from each
institution, five while there is something to do.
"""

from __future__ import annotations

import time
from types import ModuleType

from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.retry import http_retry

OBJECT_BACK_OFF = 0.1
OBJECT_BACK_OFF_CAP = 1.0
LONGEST_RETRY = 0.5
APP_POLL, BUSY_POLL, BUSY_S = 0.1, 0.2, 10.0


class _ShorterSleep:
    """Stands for the module `time` where a SuperNode uses nothing of it but `sleep`.

    It sleeps a second or more for want of a message, and asks the SuperLink next; and less than a second to look again,
    in its own memory, for what its app does with the message it has.
    """

    def __init__(self, idle: float) -> None:
        self._idle = idle
        self._active = float("-inf")

    def sleep(self, seconds: float) -> None:
        now = time.monotonic()
        if seconds < 1.0:
            self._active = now
            time.sleep(min(seconds, APP_POLL))
        else:
            time.sleep(min(seconds, self._idle, BUSY_POLL if now - self._active < BUSY_S else self._idle))


def shorten_sleeps(module: ModuleType, idle: float) -> None:
    """Let the SuperNode's code in `module` ask for messages every `idle` seconds, and sooner after it had one."""
    vars(module)["time"] = _ShorterSleep(idle)


def shorten_retries() -> None:
    """Let this process look for a server that is away every LONGEST_RETRY seconds at the latest: it may be starting."""
    vars(http_retry)["MAX_RETRY_DELAY"] = LONGEST_RETRY


def shorten_object_waits() -> None:
    """Let this process and its forks ask again sooner for objects that are on their way."""
    for function in (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree):
        waits = {"initial_backoff": OBJECT_BACK_OFF, "backoff_cap": OBJECT_BACK_OFF_CAP}
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **waits}
