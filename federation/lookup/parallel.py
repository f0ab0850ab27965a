"""One function over many chunks, in several processes, results in order.

    for pseudonyms in spread(partial(pseudonyms_of, share), batches(identifiers), processes=8):
        ...

Group arithmetic and homomorphic encryption hold the interpreter's lock or profit little from threads, so the work of an
epoch goes to processes. Everything travels over pipes: function, chunks, results, and whatever secret a `partial` or
`initialise` holds; nothing is in arguments, environment or files. A worker ends with its pipe: when the iterator is
closed, exhausted or interrupted, and also when the parent was killed and could not say so.

Chunks should be worth 50 milliseconds or more: a worker gets the next one when it has returned the last.
"""

from __future__ import annotations

import contextlib
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from federation.errors import ConfigurationError, FederationError
from federation.runtime.processes import protect_memory

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_GRACE = 2.0  # seconds for an idle worker to end by itself
_AHEAD = 2  # chunks for each process between the one that is due and the last that was handed out


class WorkerError(FederationError):
    """A worker process that ended, or that could not return what it had to."""


def spread(
    function: Callable[[Chunk], Result],
    chunks: Iterable[Chunk],
    *,
    processes: int,
    initialise: Callable[[], object] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """function(chunk) for every chunk, in order; `initialise` runs once in every process before its first chunk.

    At most `processes` chunks are worked on and twice as many held, however slowly results are taken or however many
    chunks there are. `progress` is told, here, how many are done. One process means this one. Function, `initialise`,
    chunks and results must be picklable. What `function` raises is raised here, and all work stops. Raises WorkerError
    if a worker ends before its result; ConfigurationError for less than one process.
    """
    if processes < 1:
        raise ConfigurationError("processes", got=processes, expected="at least 1")
    report = progress or (lambda done: None)
    if processes == 1:
        return _here(function, chunks, initialise, report)
    return _in_processes(function, chunks, processes, initialise, report)


def _here(
    function: Callable[[Chunk], Result],
    chunks: Iterable[Chunk],
    initialise: Callable[[], object] | None,
    report: Callable[[int], None],
) -> Iterator[Result]:
    for number, chunk in enumerate(chunks):
        if number == 0 and initialise is not None:
            initialise()
        result = function(chunk)
        report(number + 1)
        yield result


def _in_processes(
    function: Callable[[Chunk], Result],
    chunks: Iterable[Chunk],
    processes: int,
    initialise: Callable[[], object] | None,
    report: Callable[[int], None],
) -> Iterator[Result]:
    source = enumerate(chunks)
    idle: deque[_Worker] = deque()
    busy: dict[Connection, _Worker] = {}
    finished: dict[int, Result] = {}
    handed = due = done = 0
    exhausted = False
    try:
        while True:
            # 1. Work for everybody, as long as results do not pile up. Workers are started when first needed.
            while not exhausted and len(busy) < processes and handed - due < _AHEAD * processes:
                if (item := next(source, None)) is None:
                    exhausted = True
                else:
                    worker = idle.pop() if idle else _Worker.start(function, initialise)
                    busy[worker.connection] = worker
                    worker.hand(item)
                    handed += 1
            # 2. The results that are due.
            if due in finished:
                yield finished.pop(due)
                due += 1
            elif not busy:
                return
            # 3. Otherwise wait for one.
            else:
                for connection in wait(list(busy)):
                    worker = busy[connection]  # type: ignore[index]
                    index, result = worker.result()
                    idle.append(busy.pop(worker.connection))
                    finished[index] = result
                    done += 1
                    report(done)
    finally:
        _end([*idle, *busy.values()], at_once=bool(busy))


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    connection: Connection

    @classmethod
    def start(cls, function: Callable[[Any], Any], initialise: Callable[[], object] | None) -> _Worker:
        context = get_context("spawn")  # a fork would copy the locks of other threads, and every secret of this process
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        worker = cls(process, ours)
        try:
            worker.hand((function, initialise))
        except BaseException:
            _end([worker], at_once=True)
            raise
        return worker

    def hand(self, item: object) -> None:
        try:
            self.connection.send(item)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._death() from error

    def result(self) -> tuple[int, Any]:
        try:
            index, value = self.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise self._death() from error
        if isinstance(value, _Failure):
            raise value.error()
        return index, value

    def _death(self) -> WorkerError:
        self.process.join(_GRACE)
        return WorkerError("worker process", got=f"an end with exit code {self.process.exitcode}", expected="a result")


@dataclass(frozen=True)
class _Failure:
    """What a function raised. Errors with keyword arguments do not survive pickling as they are; their parts do."""

    kind: type[BaseException]
    args: tuple[object, ...]
    state: dict[str, object]

    @classmethod
    def of(cls, error: Exception) -> _Failure:
        return cls(type(error), error.args, vars(error))

    def error(self) -> BaseException:
        error = self.kind.__new__(self.kind)
        error.args = self.args
        error.__dict__.update(self.state)
        return error


def _work(connection: Connection) -> None:
    """The life of a worker: one function, then chunk after chunk until the pipe ends."""
    protect_memory()  # a function may hold a secret
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    with contextlib.suppress(EOFError, OSError):
        function, initialise = connection.recv()
        fresh = initialise is not None
        while True:
            index, chunk = connection.recv()
            try:
                if fresh:
                    initialise()
                    fresh = False
                answer = function(chunk)
            except Exception as error:
                answer = _Failure.of(error)
            _send(connection, index, answer)


def _send(connection: Connection, index: int, answer: object) -> None:
    try:
        connection.send((index, answer))
    except OSError:
        raise
    except Exception as error:  # what cannot be pickled, whatever its class chose to raise
        kind = answer.kind if isinstance(answer, _Failure) else type(answer)
        fault = WorkerError(
            "worker process", got=f"{kind.__name__}, {type(error).__name__}", expected="picklable results"
        )
        connection.send((index, _Failure.of(fault)))


def _end(workers: Iterable[_Worker], *, at_once: bool) -> None:
    workers = list(workers)
    for worker in workers:
        worker.connection.close()
        if at_once:
            worker.process.kill()
    for worker in workers:
        worker.process.join(_GRACE)
        if worker.process.exitcode is None:
            worker.process.kill()
            worker.process.join()
        worker.process.close()
