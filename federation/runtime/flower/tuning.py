"""Three waits of Flower's that rule the length of a round, shortened in our own processes.

A SuperNode sleeps 3 s when it finds no message and .5 s between looks for its app's reply; whoever pulls an object that
is still on its way waits 1 s, then 2, 4 ... Flower 1.41 has no option for them. A round of three institutions takes
about 5 s with them, 2 s without; the load is two small requests a second from each institution.
"""

from __future__ import annotations

import time
from types import ModuleType

from flwr.supercore.inflatable import inflatable_utils

OBJECT_BACK_OFF = 0.1
OBJECT_BACK_OFF_CAP = 1.0


class _ShorterSleep:
    """Stands for the module `time` where Flower uses nothing of it but `sleep`."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, self._longest))


def shorten_sleeps(module: ModuleType, longest: float) -> None:
    """Let the code of `module` sleep at most `longest` seconds at a time."""
    vars(module)["time"] = _ShorterSleep(longest)


def shorten_object_waits() -> None:
    """Let this process and its forks ask again sooner for objects that are on their way."""
    for function in (inflatable_utils.pull_objects, inflatable_utils.pull_and_inflate_object_from_tree):
        waits = {"initial_backoff": OBJECT_BACK_OFF, "backoff_cap": OBJECT_BACK_OFF_CAP}
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **waits}
