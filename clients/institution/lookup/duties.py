"""What a member owes to the others' questions: a loop in the node's process that asks the relay for tasks.

    Duties(home).run(stop)          # until `stop` is set; an outage is waited out

A task is answered or refused, never dropped: a refusal names whose fault it is. Nothing is believed because the relay
said it: requests carry the log's promise and their makers' signatures, and are checked against an epoch that this
institution signed itself. Logs hold counts and codes; no point, hash or identifier.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from tenacity import Retrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from clients.institution.home import InstitutionHome
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.serving import Serving
from federation.errors import FederationError, Refused
from federation.observability import metrics
from federation.observability.health import beat
from federation.runtime.logging import get_logger
from federation.runtime.rpc import Unreachable
from protocols.errors import ProtocolError
from protocols.lookup.fault import Fault, TicketRefused
from protocols.wire import lookup_pb2 as wire

WAIT_MS = 15_000
PAUSE_S = 5.0
_log = get_logger("lookup")


class Duties:
    """One institution's loop. `clock` is Unix time (s)."""

    def __init__(
        self,
        home: InstitutionHome,
        *,
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._home = home
        self._clock = clock
        self._session = random(16)
        self._random = random

    def run(self, stop: threading.Event) -> None:
        """Answer tasks until `stop`; dials again, after growing pauses, whenever the relay is away."""
        retrying = Retrying(
            retry=retry_if_exception_type((Unreachable, Refused)),
            wait=wait_exponential_jitter(multiplier=0.2, max=10.0),
            stop=stop_when_event_set(stop),
            sleep=sleep_using_event(stop),
            reraise=True,
        )
        while not stop.is_set():
            try:
                retrying(self._serve, stop)
            except (Unreachable, Refused):
                continue  # the node is stopping, or the loop starts over
            except Exception as error:  # one bad message must not keep this member from every later one
                _log.error("duties interrupted", kind=type(error).__name__)
                stop.wait(PAUSE_S)

    def _serve(self, stop: threading.Event) -> None:
        with RelayClient(self._home, patience=0.0) as relay:
            serving = Serving(self._home, relay, random=self._random, clock=self._clock)
            finished: list[wire.Finished] = []
            while not stop.is_set():
                tasks = relay.work(self._session, finished, wait_ms=WAIT_MS)
                beat("relay")
                serving.forget_erased()
                finished = [self._finish(serving, task) for task in tasks]

    def _finish(self, serving: Serving, task: wire.Task) -> wire.Finished:
        if task.deadline_ms < self._clock() * 1000:
            return wire.Finished(task=task.id, answers=[late()])
        kind = task.WhichOneof("work")
        with metrics.timed("fedscore_lookup_seconds", kind=kind):
            answers = answers_to(task, serving)
        for answer in answers:
            code = answer.refusal.code if answer.HasField("refusal") else "ok"
            metrics.count("fedscore_lookup_orders_total", kind=kind, code=code)
        refused = sum(answer.HasField("refusal") for answer in answers)
        _log.debug("task finished", kind=str(kind), count=len(answers), code="refused" if refused else "done")
        return wire.Finished(task=task.id, answers=answers)


def answers_to(task: wire.Task, serving: Serving) -> list[wire.Answered]:
    """What `serving` answers, a typed refusal where there is an error, "internal" for one that nobody foresaw."""
    try:
        outcomes: Sequence[wire.Answered | Exception] = serving.answers(task)
    except Exception as error:  # hostile bytes, a database that is locked: this task fails, the next one is answered
        outcomes = [error] * _asked(task)
    return [outcome if isinstance(outcome, wire.Answered) else _refused(outcome) for outcome in outcomes]


def _asked(task: wire.Task) -> int:
    """How many answers `task` asks for."""
    match task.WhichOneof("work"):
        case "first":
            return len(task.first.orders)
        case "second":
            return len(task.second.orders)
        case _:
            return 1


def _refused(error: Exception) -> wire.Answered:
    if isinstance(error, FederationError | ProtocolError):
        _log.warning("refused a task", code=code_of(error))
        return wire.Answered(refusal=refusal_of(error))
    _log.error("could not do a task", kind=type(error).__name__)
    return wire.Answered(refusal=wire.Refusal(code="internal", where="task", got="an error", expected="an answer"))


def refusal_of(error: FederationError | ProtocolError) -> wire.Refusal:
    """`error` as it crosses the wire, with the party at fault where there is one."""
    where = error.field if isinstance(error, ProtocolError) else error.where
    party = error.party if isinstance(error, Fault) else ""
    return wire.Refusal(
        code=code_of(error), where=where[:200], got=error.got[:200], expected=error.expected[:200], party=party
    )


_CODES: Mapping[type[Exception], str] = {Fault: "proof"}


def code_of(error: FederationError | ProtocolError) -> str:
    """One of the codes of `docs/lookup-wire.md`."""
    if isinstance(error, TicketRefused | Refused):
        return str(error.code)
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), "invalid")


def late() -> wire.Answered:
    """The answer to a task that nobody waits for any more."""
    refusal = wire.Refusal(code="unreachable", where="task", got="one past its deadline", expected="one in time")
    return wire.Answered(refusal=refusal)
