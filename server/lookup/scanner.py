"""Worker processes with the prepared table, behind one queue in which every caller has its share and its turns.

    scanner = Scanner(plan, processes=2)
    hint = scanner.start()                                          # prepared, every worker
    answers = scanner.answer("bank-a", queries, keys=None, keys_hash=b"", seconds=10, wanted=context.is_active)

Queries without keys that wait together are answered in one pass over the table. Who asks more than its share is refused
(`busy`) at once. What nobody waits for any more is not begun. A worker that dies
is started again and its call repeated once. Nothing here depends on what a query asks for, and nothing is logged of it.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

from federation.errors import FederationError, Refused
from federation.observability import metrics
from federation.runtime.logging import get_logger
from federation.runtime.processes import python_module
from protocols.errors import MessageError
from server.lookup.epochs import Code
from server.lookup.scan_queue import Job, ScanQueue
from server.lookup.scan_worker import Plan, Trouble, Work

_TRIES = 2
_GRACE_S = 2.0
_log = get_logger("pool")


class ScannerStopped(FederationError):  # noqa: N818
    """The scanner ended while somebody waited."""


class Scanner:
    """One epoch's scan. `processes` workers, each with the whole table."""

    def __init__(self, plan: Plan, *, processes: int) -> None:
        self._plan, self._processes = plan, processes
        self._queue = ScanQueue()
        self._changed = threading.Condition()
        self._stopped = False
        self._threads: list[threading.Thread] = []
        self._workers: dict[int, _Worker] = {}
        self.hint = b""

    def start(self) -> bytes:
        """Start all workers; the hint, which they must agree on."""
        for number in range(self._processes):
            self._workers[number] = _Worker.start(self._plan)
        hints = {worker.ready() for worker in self._workers.values()}
        if len(hints) != 1:
            raise ScannerStopped("workers", got="different hints", expected="the same of all")
        for number in range(self._processes):
            thread = threading.Thread(target=self._serve, args=(number,), name="scan", daemon=True)
            self._threads.append(thread)
            thread.start()
        self.hint = hints.pop()
        return self.hint

    def pids(self) -> list[int]:
        """The workers' process ids."""
        return [worker.process.pid for worker in self._workers.values()]

    @property
    def waiting(self) -> int:
        """Queries that no worker has begun."""
        with self._changed:
            return self._queue.waiting

    def answer(
        self,
        caller: str,
        queries: Sequence[bytes],
        *,
        keys: Path | None,
        keys_hash: bytes,
        seconds: float,
        wanted: Callable[[], bool] = lambda: True,
    ) -> list[bytes]:
        """One answer for each query. Raises MessageError (of the engine), Refused: `busy`, or `unreachable` after
        `seconds`.
        """
        end = time.monotonic() + seconds
        job = Job(caller, tuple(queries), keys, keys_hash, lambda: time.monotonic() < end and wanted())
        with self._changed:
            if self._stopped:
                raise Refused(Code.CLOSED, "pool", got="an epoch that is closing", expected="an open one")
            self._queue.put(job)
            self._changed.notify()
        if not job.done.wait(max(0.0, end - time.monotonic())):
            raise Refused(Code.UNREACHABLE, "pool", got=f"no answer within {seconds:.0f} s", expected="one")
        if job.error is not None:
            raise job.error
        metrics.count("fedscore_queries_answered_total", len(queries))
        return job.answers or []

    def stop(self) -> None:
        """End the workers; whoever waits is told."""
        with self._changed:
            self._stopped = True
            waiting = self._queue.clear()
            self._changed.notify_all()
        for job in waiting:
            job.end(None, Refused(Code.CLOSED, "pool", got="an epoch that is closing", expected="an open one"))
        for worker in self._workers.values():
            worker.end()
        for thread in self._threads:
            thread.join(_GRACE_S)

    def _serve(self, number: int) -> None:
        """The life of one worker's thread: take what waits, have it answered, start the worker again if it died."""
        while jobs := self._next():
            try:
                self._answer(self._workers[number], jobs)
            except (EOFError, OSError) as error:
                if self._stopped:
                    _fail(jobs, error)
                    return
                _log.warning("worker ended", count=len(jobs))
                self._put_back(jobs, error)
                self._revive(number)

    def _next(self) -> list[Job]:
        """What is next; [] at the end."""
        with self._changed:
            while not self._stopped:
                if jobs := self._queue.take():
                    return jobs
                self._changed.wait()
            return []

    def _answer(self, worker: _Worker, jobs: list[Job]) -> None:
        together = tuple(query for job in jobs for query in job.queries)
        answered = worker.ask(Work(together, jobs[0].keys, jobs[0].keys_hash))
        if isinstance(answered, Trouble):
            if len(jobs) > 1:  # one of them is wrong: the others must not suffer for it
                for job in jobs:
                    self._answer(worker, [job])
                return
            error = MessageError(answered.field, got=answered.got, expected=answered.expected)
            jobs[0].end(None, error)
            return
        first = 0
        for job in jobs:
            job.end(answered[first : first + len(job.queries)])
            first += len(job.queries)

    def _put_back(self, jobs: list[Job], error: Exception) -> None:
        with self._changed:
            for job in reversed(jobs):
                job.tries += 1
                if job.done.is_set():
                    continue
                if job.tries < _TRIES:
                    self._queue.put_back(job)
                else:
                    _fail([job], error)

    def _revive(self, number: int) -> None:
        self._workers[number].end()
        while not self._stopped:
            try:
                self._workers[number] = _Worker.start(self._plan)
                self._workers[number].ready()
            except (EOFError, OSError, FederationError):
                time.sleep(0.5)
            else:
                return


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[bytes]
    connection: Connection

    @classmethod
    def start(cls, plan: Plan) -> _Worker:
        ours, theirs = Pipe()
        with theirs:
            command = python_module("server.lookup.scan_process", str(theirs.fileno()))
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        worker = cls(process, ours)
        ours.send(plan)
        return worker

    def ready(self) -> bytes:
        """The hint, once prepared. Raises EOFError if it ended instead."""
        hint: bytes = self.connection.recv()
        return hint

    def ask(self, asked: Work) -> list[bytes] | Trouble:
        self.connection.send(asked)
        answered: list[bytes] | Trouble = self.connection.recv()
        return answered

    def end(self) -> None:
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE_S)
        self.connection.close()


def _fail(jobs: Sequence[Job], error: Exception) -> None:
    for job in jobs:
        refusal = Refused(Code.UNREACHABLE, "pool", got="a worker that ended", expected="an answer")
        refusal.__cause__ = error
        job.end(None, refusal)
