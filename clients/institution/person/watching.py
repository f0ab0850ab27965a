"""A node that reads its records once starts anew when a correction or an erasure was decided since.

    since = changes(home)          # before the records are read
    ...
    restart_on_change(home, since)

It ends itself as its supervisor would end it: what is under way is finished, its budget spent, and the next start reads
the records as they count. Records do not change under a process whose commitments name their root.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from clients.institution.home import InstitutionHome
from clients.institution.person.journal_store import FOLDER, Journal
from federation.errors import FederationError
from federation.oversight.cases import Event
from federation.runtime.logging import get_logger

EVERY_S = 2.0
_CHANGES = frozenset({Event.CORRECTED, Event.ERASED})
_log = get_logger("node")


def changes(home: InstitutionHome) -> int:
    """How many steps have changed the records so far. Raises ConfigurationError for a journal that does not verify."""
    if not Journal.there(home):
        return 0
    journal = Journal.open(home)
    try:
        return sum(done.step.event in _CHANGES for done in journal.steps())
    finally:
        journal.close()


def restart_on_change(home: InstitutionHome, since: int, *, every: float = EVERY_S) -> None:
    """Start the thread. `since`: of the records that this process holds."""
    threading.Thread(target=_watch, args=(home, since, every), name="records", daemon=True).start()


def _watch(home: InstitutionHome, since: int, every: float) -> None:
    seen = -1
    while True:
        said = _steps_said(home.path / FOLDER)
        if said != seen:
            with suppress(FederationError, OSError):  # a database that is busy: looked at again
                if changes(home) != since:
                    _log.info("records were corrected, starting anew", institution=home.name)
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                seen = said
        time.sleep(every)


def _steps_said(folder: Path) -> int:
    """How many entries there are: cheap to look at, and one more for every step."""
    try:
        return sum(entry.name.endswith(".json") for entry in os.scandir(folder))
    except FileNotFoundError:
        return 0
