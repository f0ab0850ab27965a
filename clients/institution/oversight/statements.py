"""Signed results of audits and replays, and steps of cases, go to the log from HOME: who says them needs no connection.

    statements = Statements(home.path, log_key, time.time)
    statements.flush(log)          # whatever has no promise yet; NAME.promise is written beside it

What is sent twice is in the log once, so a promise that was lost on the way is asked for again.

A step of a person's case is sent when its day is over everywhere. The step names a day and no time; the log's
checkpoints have times, and whoever watches them would learn the minute at which somebody was at a desk.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from clients.institution.oversight.log_client import LogClient
from federation.errors import Refused
from federation.oversight.cases import CaseStep
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.transparency import Entry, Promise, Statement, VerifierKey, read_entry, verify_promise

WAITING = ("audits/*.json", "replay/*.result", "cases/*.json")
OVER_EVERYWHERE_S = 36 * 3600  # after a day's midnight in UTC: the last place is twelve hours behind
_FOR_GOOD = "invalid"
_log = get_logger("oversight")


class Statements:
    """One home's. One thread."""

    def __init__(self, home: Path, log_key: VerifierKey, clock: Callable[[], float]) -> None:
        self._home, self._log_key, self._clock = home, log_key, clock
        self._refused: set[Path] = set()

    def flush(self, log: LogClient) -> int:
        """How many were promised now. Raises Unreachable, Refused, or ProtocolError for what is no promise of this log.

        What is no entry, or none that a member may say, is told once in a process' life and stays where it is.
        """
        waiting = [
            path
            for pattern in WAITING
            for path in sorted(self._home.glob(pattern))
            if path not in self._refused and not _promise_of(path).exists()
        ]
        return sum(self._say(log, path) for path in waiting)

    def _say(self, log: LogClient, path: Path) -> bool:
        try:
            entry = read_entry(path.read_bytes())
            early = entry.kind == CaseStep.kind_of_statement and self._clock() < _from(entry)
        except ProtocolError as error:
            return self._give_up(path, error)
        if early:
            return False
        try:
            [answer] = log.append([entry])
        except Refused as error:
            if error.code != _FOR_GOOD:
                raise
            return self._give_up(path, error)
        promise = Promise.decode(answer)
        verify_promise(promise, entry.hash, self._log_key, self._clock())
        write_public(_promise_of(path), promise.encode(), mode=0o600)
        return True

    def _give_up(self, path: Path, error: Refused | ProtocolError) -> bool:
        self._refused.add(path)
        _log.error("a signed result cannot be logged", error=error)
        return False


def _from(entry: Entry) -> float:
    """When a step of a case may be sent: Unix time (s). Raises MessageError for what is none."""
    day = CaseStep.from_json(Statement.read(entry).content).on
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + OVER_EVERYWHERE_S


def _promise_of(path: Path) -> Path:
    """Where the promise for the result at `path` is kept, once there is one."""
    return path.with_suffix(".promise")
