"""The process of a scan worker: python -m server.lookup.scan_process DESCRIPTOR.

A child of the pool, which hands it one end of a pipe as an inherited file descriptor. It loads what the scan needs and
nothing of the pool's service: a worker that `multiprocessing` starts would import the program that started it, here the
database, gRPC and all the rest, once more for every worker, and a process that tracks resources besides.
"""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

from federation.runtime.logging import configure_process
from federation.runtime.processes import protect_memory
from server.lookup.scan_worker import work


def main() -> None:
    """The process' entry: the number of the inherited descriptor in the only argument; ends with the pipe."""
    protect_memory()
    configure_process()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the pool, and the pool its workers
    work(Connection(int(sys.argv[1])))


if __name__ == "__main__":
    main()
