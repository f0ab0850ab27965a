"""Questions about subjects, from a program: the joint score of one, or of many.

    with Querier.open(home) as querier:
        answer = querier.ask("4711", "credit-application")
        for answer in querier.ask_many(Question(subject, "credit-application") for subject in subjects): ...

    answer.outcome      Scored | ThinFile | NoHit | Unavailable (federation.lookup.outcome); never a part of a score

Every question is logged before anybody evaluates it, and one ciphertext goes to the pool, whether the subject is known
or not. A question costs a ticket of the day's quota; a receipt serves one question. What is no question (an identifier
that is none of the scheme, no consent where it is needed) is refused before there is even a connection; whatever else
stands between question and answer becomes an Unavailable that names who and why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Self

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.asking import Asked, Asking
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.concluding import Concluding
from clients.institution.lookup.consent_store import used
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.gate import Admitted, Gate
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.part import Part, no_snapshot
from clients.institution.lookup.questions import RELAY, Answer, Question, unavailable
from clients.institution.lookup.serving_database import lookup_database
from federation.errors import ConfigurationError, FederationError
from federation.lookup.outcome import Outcome, Unavailable
from federation.runtime.closing import Closing
from federation.runtime.database import open_engine
from protocols.errors import ProtocolError

PATIENCE_S = 15.0
TIMEOUT_S = 30.0
TOGETHER = 64
"""Questions whose tickets are asked for together: every exchange wakes every member, as much work as two tickets."""
READ = {"bfv": 8, "lwe": 64, "mirror": 64}
"""Rows that are read together, by engine: as many as the pool answers in a few seconds."""


@dataclass(frozen=True)
class Ready:
    """An epoch that is open, dialled."""

    asking: Asking
    concluding: Concluding


class Querier(Closing):
    """Asks for one institution; made by `open`. Not for several threads at once."""

    def __init__(self, gate: Gate, connect: Callable[[ExitStack], Ready]) -> None:
        self._gate, self._connect, self._stack = gate, connect, ExitStack()
        self._end: Ready | Unavailable | None = None

    @classmethod
    def open(
        cls,
        home: InstitutionHome,
        *,
        model: Path | None = None,
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE_S,
        timeout: float = TIMEOUT_S,
    ) -> Self:
        """Ready to check questions; `connect`, or the first question that may be asked, dials.

        `patience` is how long an outage is waited out, in seconds, `timeout` how long one answer may take. Raises
        ConfigurationError for a home that cannot be read.
        """
        engine = open_engine(lookup_database(home))
        gate = Gate.of(home, engine, clock)

        def dial(stack: ExitStack) -> Ready:
            relay = stack.enter_context(RelayClient(home, patience=patience))
            record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
            epoch = OpenEpoch.current(Part(home, relay, record, no_snapshot, random=random, clock=clock))
            gate.check_epoch(epoch.context)
            pool = stack.enter_context(epoch.pool(patience=patience))
            asking = Asking(epoch, relay, pool, AskedStore(engine), gate.consents, random, clock, timeout)
            return Ready(asking, Concluding.of(epoch, model))

        return cls(gate, dial)

    def connect(self) -> Ready | Unavailable:
        """Dial relay and pool, once; why nobody can be asked now, if so.

        Raises ConfigurationError where this institution has no part in the epoch, or `model` is not the epoch's.
        """
        if self._end is None:
            try:
                self._end = self._connect(self._stack)
            except ConfigurationError:
                self.close()
                raise
            except (FederationError, ProtocolError) as error:
                self.close()
                self._end = unavailable(error, RELAY)
        return self._end

    def check(self, question: Question) -> Admitted:
        """Whether the question may be asked. Asks nobody.

        Raises ConsentRefused by the rule that a receipt breaks, IdentifierError or ConfigurationError as `ask` would.
        """
        return self._gate.check(question)

    def ask(self, subject: str, purpose: str, receipt: bytes = b"") -> Answer:
        """The answer about one subject. `receipt`: the person's consent document, where the roster needs consent.

        Raises what `check` raises, before anything leaves this node, and what `connect` raises.
        """
        return next(iter(self.ask_many([Question(subject, purpose, receipt)])))

    def ask_many(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """The answers in the order of the questions. While the pool reads for one batch, the next gets its tickets.

        Raises what `check` raises, before anything of that question's batch leaves this node.
        """
        waiting = self._admitted(questions)
        batch = list(islice(waiting, TOGETHER))
        ready = self.connect() if batch else None
        if isinstance(ready, Unavailable):
            yield from (Answer(asked.question, ready) for asked in chain(batch, waiting))
        elif ready is not None:
            self._check_again(batch)
            yield from self._ask(ready, batch, waiting)

    def _ask(self, ready: Ready, batch: list[Asked], waiting: Iterator[Asked]) -> Iterator[Answer]:
        asking, size = ready.asking, READ[ready.asking.epoch.context.parameters.engine]
        with ThreadPoolExecutor(max_workers=1) as ahead:
            asking.tickets(batch)
            while batch:
                following, refusal = self._next(waiting)
                tickets = ahead.submit(asking.tickets, following)
                for first in range(0, len(batch), size):
                    part = batch[first : first + size]
                    asking.read(part)
                    yield from (_conclude(asked, ready.concluding) for asked in part)
                tickets.result()
                if refusal is not None:  # not before the answers that were paid for
                    raise refusal
                batch = following

    def _admitted(self, questions: Iterable[Question]) -> Iterator[Asked]:
        """The questions that may be asked, checked as they come; no receipt twice."""
        taken: set[str] = set()
        for question in questions:
            admitted = self.check(question)
            if admitted.consent is not None:
                if admitted.consent.serial in taken:
                    raise used()
                taken.add(admitted.consent.serial)
            yield Asked(question, admitted.identifier, admitted.consent)

    def _next(self, waiting: Iterator[Asked]) -> tuple[list[Asked], FederationError | ProtocolError | None]:
        """The next batch; none, and why, if one of its questions may not be asked."""
        try:
            batch = list(islice(waiting, TOGETHER))
            self._check_again(batch)
            return batch, None
        except (FederationError, ProtocolError) as error:
            return [], error

    def _check_again(self, batch: list[Asked]) -> None:
        """To dial, or to wait for the last question of a batch, may have taken longer than a receipt had left."""
        for asked in batch:
            self.check(asked.question)

    def close(self) -> None:
        self._stack.close()


def _conclude(asked: Asked, concluding: Concluding) -> Answer:
    found = asked.found
    if found is None:
        raise ConfigurationError("question", got="no end", expected="an outcome")
    told = partial(Answer, asked.question, leaf_hash=asked.leaf_hash, inquiry=asked.inquiry)
    if isinstance(found, Unavailable):
        return told(found)
    try:
        outcome: Outcome = concluding.outcome(found, asked.identifier)
    except (FederationError, ProtocolError, ArithmeticError, ValueError):
        # A member chose what it contributed here. To stop now would tell the pool, by the queries that do not come,
        # and whoever waits for the other answers.
        return told(Unavailable("members", "record: the members' sum makes no sense beside the own record"))
    return told(outcome, joint=found)
