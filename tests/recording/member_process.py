"""The part of an institution's node that serves others' questions, without what trains: member_process.py HOME."""

from __future__ import annotations

import signal
import sys
import threading

from clients.institution.home import InstitutionHome
from clients.institution.lookup.attending import attend_behind
from federation.runtime.logging import configure_process


def main() -> None:
    """Until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    home = InstitutionHome.open(sys.argv[1])
    configure_process(home.logs / "node.jsonl")
    attend_behind(home, stop)
    stop.wait()


if __name__ == "__main__":
    main()
