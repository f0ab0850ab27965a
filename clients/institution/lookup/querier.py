"""Questions about subjects, from a program: the joint score of one, or of many.

    with Querier.open(home) as querier:
        answer = querier.ask("4711", "credit-application")
        for answer in querier.ask_many(Question(subject, "credit-application") for subject in subjects): ...

    answer.outcome      Scored | ThinFile | NoHit | Unavailable (federation.lookup.outcome); never a part of a score

Every question is logged before anybody evaluates it, and one ciphertext goes to the pool, whether the subject is known
or not. A question costs a ticket of the day's quota; a receipt serves one question. An identifier that is none of the
scheme raises IdentifierError before anything is sent; whatever else stands between question and answer becomes an
Unavailable that names who and why.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.asking import Asked, Asking
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.concluding import Concluding
from clients.institution.lookup.customers import scheme_of
from clients.institution.lookup.epoch_record import EpochRecord
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.part import Part, no_snapshot
from clients.institution.lookup.questions import RELAY, Answer, Question, unavailable
from clients.institution.lookup.serving_database import lookup_database
from federation.errors import ConfigurationError, FederationError
from federation.lookup.outcome import Outcome, Unavailable
from federation.runtime.database import open_engine
from protocols.errors import ProtocolError

PATIENCE_S = 15.0
TIMEOUT_S = 30.0
TOGETHER = 64
"""Questions whose tickets are asked for together: every exchange wakes every member, as much work as two tickets."""
READ = {"bfv": 8, "lwe": 64, "mirror": 64}
"""Rows that are read together, by engine: as many as the pool answers in a few seconds."""


class Querier:
    """Asks for one institution; made by `open`. Not for several threads at once."""

    def __init__(self, asking: Asking | None, concluding: Concluding | None, refusal: Unavailable | None) -> None:
        self._asking, self._concluding, self._refusal = asking, concluding, refusal
        self._stack = ExitStack()

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
        """Ready to ask, or to say why nobody can be asked now.

        `patience` is how long an outage is waited out, in seconds, `timeout` how long one answer may take. Raises
        ConfigurationError where this institution has no part in the epoch, or `model` is not the epoch's.
        """
        querier = cls(None, None, None)
        try:
            querier._connect(home, model, random, clock, patience, timeout)
        except ConfigurationError:
            querier.close()
            raise
        except (FederationError, ProtocolError) as error:
            querier.close()
            querier._refusal = unavailable(error, RELAY)
        querier._home = home
        return querier

    def _connect(
        self,
        home: InstitutionHome,
        model: Path | None,
        random: Callable[[int], bytes],
        clock: Callable[[], float],
        patience: float,
        timeout: float,
    ) -> None:
        relay = self._stack.enter_context(RelayClient(home, patience=patience))
        record = EpochRecord(home.coordinator_key, home.name, home.signing_key.public)
        part = Part(home, relay, record, no_snapshot, random=random, clock=clock)
        epoch = OpenEpoch.current(part)
        pool = self._stack.enter_context(epoch.pool(patience=patience))
        asked = AskedStore(open_engine(lookup_database(home)))
        self._asking = Asking(epoch, relay, pool, asked, random, clock, timeout)
        self._concluding = Concluding.of(epoch, model)

    _home: InstitutionHome

    def ask(self, subject: str, purpose: str, receipt: bytes = b"") -> Answer:
        """The answer about one subject. Raises IdentifierError for what is no identifier, ConfigurationError for a
        purpose that the members did not agree on."""
        return next(iter(self.ask_many([Question(subject, purpose, receipt)])))

    def ask_many(self, questions: Iterable[Question]) -> Iterator[Answer]:
        """The answers in the order of the questions. While the pool reads for one batch, the next gets its tickets.

        Raises IdentifierError or ConfigurationError, at its batch, for what is no identifier or no agreed purpose.
        """
        asking = self._asking
        if asking is None:
            yield from (self._unavailable(question) for question in questions)
            return
        waiting, size = iter(questions), READ[asking.epoch.context.parameters.engine]
        with ThreadPoolExecutor(max_workers=1) as ahead:
            batch = self._batch(waiting)
            if batch:
                asking.tickets(batch)
            while batch:
                following = self._batch(waiting)
                tickets = ahead.submit(asking.tickets, following)
                for first in range(0, len(batch), size):
                    part = batch[first : first + size]
                    asking.read(part)
                    yield from map(self._conclude, part)
                tickets.result()
                batch = following

    def check(self, question: Question) -> bytes:
        """The identifier as it is asked about. Raises IdentifierError or ConfigurationError as `ask` would, and asks
        nobody. Where no epoch is open, nobody can say which purposes it has: any will do."""
        identifier = scheme_of(self._home).normalise(question.subject)
        if self._concluding is not None:
            self._concluding.check_purpose(question.purpose)
        return identifier

    def _batch(self, waiting: Iterator[Question]) -> list[Asked]:
        return [Asked(question, self.check(question)) for question in islice(waiting, TOGETHER)]

    def _conclude(self, asked: Asked) -> Answer:
        found = asked.found
        if self._concluding is None or found is None:
            raise ConfigurationError("question", got="no end", expected="an outcome")
        if isinstance(found, Unavailable):
            return Answer(asked.question, found, leaf_hash=asked.leaf_hash)
        try:
            outcome: Outcome = self._concluding.outcome(found, asked.identifier)
        except (FederationError, ProtocolError, ArithmeticError, ValueError):
            # A member chose what it contributed here. To stop now would tell the pool, by the queries that do not come,
            # and whoever waits for the other answers.
            reason = "record: the members' sum makes no sense beside the own record"
            return Answer(asked.question, Unavailable("members", reason), leaf_hash=asked.leaf_hash)
        return Answer(asked.question, outcome, found, asked.leaf_hash)

    def _unavailable(self, question: Question) -> Answer:
        self.check(question)
        return Answer(question, self._refusal or Unavailable(RELAY, "closed"))

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
