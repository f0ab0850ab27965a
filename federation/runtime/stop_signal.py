"""How a long-lived process hears that it is to end.

stop = until_stopped()          # before anybody can know that it is up, and end it
...
stop.wait()
"""

from __future__ import annotations

import signal
import threading


def until_stopped() -> threading.Event:
    """Set by SIGTERM or SIGINT. Main thread only."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
