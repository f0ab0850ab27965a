"""The watch's thread, and what becomes of its process: a watch that has died is said, and ends its process.

work = Work(watcher, stop)
work.start()
stop.wait()                # a signal, or the watch's death
work.conclude()            # raises what it died of

A process that lived on would look like a regulator, and cosign, verify and reveal nothing: rounds would wait for its
beacons, and nobody would know why. It ends, so that what supervises it starts another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from clients.regulator.watch.watcher import Watcher
from federation.runtime.logging import get_logger

LAST_LOOK_S = 3.0  # health stays, and is red, so that whoever asks in between hears why
_log = get_logger("watch")


class Work:
    """`stop` ends the watch, and is set when it ends of its own accord."""

    def __init__(self, watcher: Watcher, stop: threading.Event, pause: Callable[[float], None] = time.sleep) -> None:
        self._watcher, self._stop, self._pause = watcher, stop, pause
        self._error: BaseException | None = None
        # A question may wait at the log for half a minute; a signal does not.
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def why(self) -> str | None:
        """For health."""
        return None if self._thread.is_alive() else "the watch has died"

    def conclude(self) -> None:
        """Nothing after a signal. Raises what the watch died of, once health has been red for a while."""
        if self._error is not None:
            self._thread.join()
            self._pause(LAST_LOOK_S)
            raise self._error

    def _run(self) -> None:
        try:
            self._watcher.run(self._stop)
        except BaseException as error:
            _log.error("the watch has died", error=error)
            self._error = error
        finally:
            self._stop.set()
