"""Who is present, and how a question is put to all of them until enough have answered or its time is up.

A Flower node becomes an institution by answering a fresh challenge under the key that the plan names for it. New nodes
are greeted while a question is running, so a SuperNode that comes back takes part in the round it interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from federation.errors import Refused
from federation.rounds.approvals import check_hello
from federation.rounds.plan import TrainingPlan
from federation.rounds.refusals import Code, RunFailed
from protocols.envelope import seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import HelloRequest
from server.exchange import Answer, Exchange

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Pace:
    """Seconds. `Pace.at_once()` is for nodes in this process, which have answered when they were asked.

    poll       between two looks for answers
    census     between two looks for new nodes
    backoff    before a node that failed is asked again; doubles up to eight times that
    patience   before a silent node is asked again: its message may have died with a SuperNode
    grace      how long stragglers are waited for once there is a quorum
    max_asks   how often a node that only fails is asked one question
    """

    poll: float = 0.25
    census: float = 1.0
    backoff: float = 1.0
    patience: float = 20.0
    grace: float = 15.0
    max_asks: int = 8

    @classmethod
    def at_once(cls) -> Pace:
        return cls(poll=0.0, census=0.0, backoff=0.0, patience=3600.0, grace=0.0, max_asks=1)


class Question(Protocol):
    """What is asked of members: a round (`Collection`), a plan (`Approvals`) or about masks (`Answers`)."""

    accepted: dict[str, Any]
    refused: dict[str, str]

    @property
    def waiting(self) -> set[str]: ...
    @property
    def quorate(self) -> bool: ...
    def offer(self, institution: str, data: bytes, *, late: bool = False) -> Refused | None: ...
    def review(self) -> None: ...
    def again(self, refusal: Refused) -> bool: ...
    def fail(self, institution: str, code: Code) -> None: ...


class Gather(Protocol):
    """`Assembly.gather`."""

    def __call__(
        self, question: Question, envelope: bytes | Mapping[str, bytes], deadline: float, group: str
    ) -> None: ...


def require_answers(where: str, question: Question, needed: int) -> None:
    """Raises RunFailed at `where`, with the state of everybody who is missing, for fewer than `needed` answers."""
    if len(question.accepted) >= needed:
        return
    missing = [f"{name}: {code}" for name, code in sorted(question.refused.items())]
    missing += [f"{name}: no answer" for name in sorted(question.waiting - question.refused.keys())]
    raise RunFailed(where, got=f"{len(question.accepted)} answers ({', '.join(missing)})", expected=f"{needed}")


@dataclass
class _Turn:
    """How often a node was asked or greeted, and when (Unix time, s) it may be again."""

    times: int = 0
    not_before: float = 0.0


@dataclass(frozen=True)
class _Greeting:
    challenge: bytes = field(repr=False)


class Assembly:
    """The members' nodes as they come and go."""

    def __init__(
        self,
        exchange: Exchange,
        plan: TrainingPlan,
        key: SigningKey,
        *,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        report: Report,
    ) -> None:
        self._exchange, self._plan, self._key = exchange, plan, key
        self._pace, self._clock, self._sleep, self._report = pace, clock, sleep, report
        self._institutions: dict[int, str] = {}  # by node id, proved; a node id stands for one SuperNode key
        self._connected: set[int] = set()
        self._unanswered: set[int] = set()  # greeted, and silent so far
        self._greeted: dict[int, _Turn] = {}
        self._turns: dict[int, _Turn] = {}
        self._next_census = 0.0

    @property
    def present(self) -> set[str]:
        """The institutions with a connected node that has proved itself."""
        return {name for node_id, name in self._institutions.items() if node_id in self._connected}

    def gather(self, question: Question, envelope: bytes | Mapping[str, bytes], deadline: float, group: str) -> None:
        """Put `question`, one envelope for all or one for each, to all members until all present have answered.

        Or until a quorum has, and `grace` is over.
        At `deadline` (Unix time, s) it ends in any case.
        """
        self._turns = {}
        self._next_census = 0.0
        quorate_since: float | None = None
        while (now := self._clock()) < deadline:
            self._take_census(now, deadline)
            self._ask(question, envelope, now, deadline, group)
            answers = self._exchange.receive()
            for answer in answers:
                self._take(answer, question)
            question.review()
            now = self._clock()
            if question.quorate and quorate_since is None:
                quorate_since = now
            if self._settled(question, quorate_since, now):
                return
            if not answers:
                self._sleep(self._pace.poll)

    def _settled(self, question: Question, quorate_since: float | None, now: float) -> bool:
        if not question.waiting:
            return True
        if quorate_since is None:
            return False
        expected = question.waiting & self.present or self._unanswered & self._connected
        return not expected or now - quorate_since > self._pace.grace

    def _take_census(self, now: float, deadline: float) -> None:
        if now < self._next_census:
            return
        self._next_census = now + self._pace.census
        self._connected = self._exchange.nodes()
        for node_id in sorted(self._connected - self._institutions.keys()):
            if self._due(self._greeted, node_id, now):
                greeting = _Greeting(os.urandom(32))
                sealed = seal(HelloRequest(challenge=greeting.challenge), self._key)
                self._exchange.send({node_id: sealed}, greeting, deadline, "hello")
                self._unanswered.add(node_id)

    def _ask(
        self, question: Question, envelope: bytes | Mapping[str, bytes], now: float, deadline: float, group: str
    ) -> None:
        due = {
            node_id: envelope if isinstance(envelope, bytes) else envelope[name]
            for node_id, name in sorted(self._institutions.items())
            if node_id in self._connected and name in question.waiting and self._due(self._turns, node_id, now)
        }
        self._exchange.send(due, question, deadline, group)

    def _due(self, turns: dict[int, _Turn], node_id: int, now: float) -> bool:
        turn = turns.setdefault(node_id, _Turn())
        if now < turn.not_before:
            return False
        turn.times += 1
        turn.not_before = now + self._pace.patience
        return True

    def _take(self, answer: Answer, question: Question) -> None:
        if isinstance(answer.ask.subject, _Greeting):
            self._welcome(answer, answer.ask.subject)
        elif answer.data is None:
            self._failed(answer, question)
        else:
            self._offer(answer, answer.data, question)

    def _welcome(self, answer: Answer, greeting: _Greeting) -> None:
        node_id = answer.ask.node_id
        self._unanswered.discard(node_id)
        if answer.data is None:
            self._later(self._greeted, node_id)
            return
        try:
            self._institutions[node_id] = check_hello(self._plan, greeting.challenge, answer.data)
        except Refused as refusal:
            self._tell(f"node {node_id}", refusal)

    def _failed(self, answer: Answer, question: Question) -> None:
        name = self._institutions.get(answer.ask.node_id)
        if name is None or answer.ask.subject is not question:
            return
        turn = self._later(self._turns, answer.ask.node_id)
        self._report({"event": "transport", "institution": name, "failure": answer.failure, "times": turn.times})
        if turn.times >= self._pace.max_asks:
            question.fail(name, Code.TRANSPORT)

    def _offer(self, answer: Answer, data: bytes, question: Question) -> None:
        name = self._institutions.get(answer.ask.node_id)
        if name is None:
            return
        stale = answer.ask.subject is not question
        asked = cast(Question, answer.ask.subject)
        refusal = asked.offer(name, data, late=answer.late or stale)
        if refusal is not None:
            self._tell(name, refusal)
            if asked.again(refusal):
                self._later(self._turns, answer.ask.node_id)

    def _later(self, turns: dict[int, _Turn], node_id: int) -> _Turn:
        turn = turns.setdefault(node_id, _Turn())
        turn.not_before = self._clock() + self._pace.backoff * 2 ** min(max(turn.times - 1, 0), 3)
        return turn

    def _tell(self, who: str, refusal: Refused) -> None:
        self._report(
            {
                "event": "refused",
                "institution": who,
                "code": str(refusal.code),
                "where": refusal.where,
                "got": refusal.got,
                "expected": refusal.expected,
            }
        )
