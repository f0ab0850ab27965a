"""The threads of the node that attend to the private score query, once this institution takes part in it.

Until then, and for the first seconds of a node, they only look whether HOME/lookup is there: a training node pays
nothing for what it does not use. What closes an epoch runs in a process of its own, beside the node.
"""

from __future__ import annotations

import subprocess
import threading
import time
from typing import TYPE_CHECKING

from federation.runtime.logging import get_logger
from federation.runtime.processes import python_module

if TYPE_CHECKING:
    from clients.institution.home import InstitutionHome
    from clients.institution.lookup.channel import RelayClient

LOOK_S = 0.5
PAUSE_S = 2.0
WAIT_MS = 15_000
OVERDUE_S = 30.0  # between two looks for epochs that should be over
_log = get_logger("lookup")


def attend_behind(home: InstitutionHome, stop: threading.Event) -> None:
    """Start the threads; they end soon after `stop`."""
    for name, work in (("duties", _duties), ("closing", _closing), ("erasing", _erasing)):
        threading.Thread(target=work, args=(home, stop), name=name, daemon=True).start()


def _taking_part(home: InstitutionHome, stop: threading.Event) -> bool:
    while not (home.path / "lookup").is_dir():
        if stop.wait(LOOK_S):
            return False
    return not stop.is_set()


def _duties(home: InstitutionHome, stop: threading.Event) -> None:
    if not _taking_part(home, stop):
        return
    from clients.institution.lookup.duties import Duties  # only a member of an epoch needs its packages

    _log.info("duties begin", institution=home.name)
    Duties(home).run(stop)


def _closing(home: InstitutionHome, stop: threading.Event) -> None:
    """Follow the epochs; when one is closing, have a process do this institution's part."""
    if not _taking_part(home, stop):
        return
    from clients.institution.lookup.channel import RelayClient

    while not stop.is_set():
        try:
            with RelayClient(home, patience=0.0) as relay:
                _follow(home, relay, stop)
        except Exception as error:  # whatever a relay sends, an epoch must be closed in the end
            _log.warning("closing waits for the relay", kind=type(error).__name__)
            stop.wait(PAUSE_S)


def _erasing(home: InstitutionHome, stop: threading.Event) -> None:
    """By the clock of this machine: secrets go when their time is over, whatever the relay says or does not say."""
    if not _taking_part(home, stop):
        return
    from clients.institution.lookup.erasing import erase_overdue

    while not stop.is_set():
        try:
            erase_overdue(home, time.time())
        except Exception as error:  # a locked database, a full disk: there is a next time, and it must come
            _log.error("an epoch that is over is not erased", kind=type(error).__name__)
        stop.wait(OVERDUE_S)


def _follow(home: InstitutionHome, relay: RelayClient, stop: threading.Event) -> None:
    """Returns at `stop`. Raises Refused or Unreachable."""
    counter, seen = 0, 0
    while not stop.is_set():
        view = relay.view(after=seen, wait_ms=WAIT_MS)
        if view.counter != counter:
            counter, seen = view.counter, 0
        seen += len(view.steps)
        if view.phase == "closing" and view.owed and not _close(home, stop):
            stop.wait(PAUSE_S)


def _close(home: InstitutionHome, stop: threading.Event) -> bool:
    """Whether the process did all there was to do; tried again if it did not."""
    process = subprocess.Popen(python_module("clients.institution.lookup.closing_process", str(home.path)))
    while process.poll() is None and not stop.wait(LOOK_S):
        pass
    if process.poll() is None:
        process.terminate()
    return process.wait() == 0
