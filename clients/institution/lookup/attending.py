"""The threads of the node that attend to the private score query, once this institution takes part in it.

Until then, and for the first seconds of a node, they only look whether HOME/lookup is there: a training node pays
nothing for what it does not use. What closes an epoch runs in a process of its own, beside the node.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from federation.runtime.logging import get_logger

if TYPE_CHECKING:
    from clients.institution.home import InstitutionHome

LOOK_S = 0.5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
_log = get_logger("lookup")


def attend_behind(home: InstitutionHome, stop: threading.Event) -> None:
    """Start the threads; they end soon after `stop`."""
    for name, work in (("duties", _duties), ("closing", _closing)):
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
    """Keep a process that waits for an epoch to close, and does this institution's part then."""
    if not _taking_part(home, stop):
        return
    pause = FIRST_PAUSE_S
    while not stop.wait(pause):
        process = subprocess.Popen([sys.executable, "-m", "clients.institution.lookup.closing_process", str(home.path)])
        while process.poll() is None and not stop.wait(LOOK_S):
            pass
        if process.poll() is None:
            process.terminate()
        pause = FIRST_PAUSE_S if process.wait() == 0 else min(2 * pause, LONGEST_PAUSE_S)
