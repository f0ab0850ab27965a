"""Tickets are asked for many at a time, rows read few at a time, and answers come in the order of the questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wallets import PURPOSE, Persons, gate_of

from clients.institution.lookup.asking import Asked
from clients.institution.lookup.querier import READ, TOGETHER, Querier, Ready
from clients.institution.lookup.questions import Question
from federation.errors import ConfigurationError
from federation.lookup.identifiers import IdentifierError
from federation.lookup.outcome import Unavailable
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.lookup.roster import Authority


class Asking:
    """Notes what is asked for; every answer is that there is none."""

    def __init__(self, engine: str) -> None:
        self.epoch = SimpleNamespace(context=SimpleNamespace(parameters=SimpleNamespace(engine=engine)))
        self.ticketed: list[int] = []
        self.reads: list[int] = []

    def tickets(self, batch: Sequence[Asked]) -> None:
        if batch:
            self.ticketed.append(len(batch))

    def read(self, batch: Sequence[Asked]) -> None:
        assert sum(self.ticketed) >= sum(self.reads) + len(batch)  # nothing is read before it has its ticket
        self.reads.append(len(batch))
        for asked in batch:
            asked.found = Unavailable("pool", asked.question.subject)


@pytest.mark.parametrize("engine", sorted(READ))
@pytest.mark.parametrize("count", [0, 1, 8, 9, 64, 150])
def test_as_many_tickets_as_fit_and_no_more_rows_than_the_pool_takes(engine: str, count: int, tmp_path: Path) -> None:
    asking: Any = Asking(engine)
    querier = Querier(gate_of(tmp_path), lambda stack: Ready(asking, SimpleNamespace()))  # type: ignore[arg-type]
    answers = list(querier.ask_many(Question(str(number), PURPOSE) for number in range(count)))
    assert [str(answer.outcome.reason) for answer in answers] == [str(number) for number in range(count)]  # type: ignore[union-attr]
    assert asking.ticketed == [TOGETHER] * (count // TOGETHER) + ([count % TOGETHER] if count % TOGETHER else [])
    assert sum(asking.reads) == count
    assert max(asking.reads, default=0) <= READ[engine]


def test_what_may_not_be_asked_stops_its_own_batch_after_the_answers_that_were_paid_for(tmp_path: Path) -> None:
    asking: Any = Asking("lwe")
    querier = Querier(gate_of(tmp_path), lambda stack: Ready(asking, SimpleNamespace()))  # type: ignore[arg-type]
    questions = [Question(str(number), PURPOSE) for number in range(TOGETHER + 2)] + [Question("", PURPOSE)]
    answers = querier.ask_many(questions)
    heard = [next(answers) for _ in range(TOGETHER)]
    with pytest.raises(IdentifierError):
        next(answers)
    assert [answer.question for answer in heard] == questions[:TOGETHER]
    assert asking.ticketed == [TOGETHER]  # none of the two that came with the wrong one


def test_a_receipt_shown_twice_is_refused_before_the_second_is_asked(tmp_path: Path) -> None:
    persons = Persons.under(tmp_path)
    consent = persons.consent("P-0017", "bank-a").encode()
    gate, dialled = gate_of(tmp_path, (persons.authority.authority,)), list[object]()
    querier = Querier(gate, dialled.append)  # type: ignore[arg-type]
    with pytest.raises(ConsentRefused) as refused:
        list(querier.ask_many([Question("P-0017", PURPOSE, consent)] * 2))
    assert refused.value.rule is Rule.USED
    assert dialled == []


def test_an_epoch_of_other_authorities_or_another_catalogue_is_not_asked_under(tmp_path: Path) -> None:
    """A relay that serves an epoch without authorities would have honest questions stand in the log without consent."""
    persons = Persons.under(tmp_path)
    gate = gate_of(tmp_path, (persons.authority.authority,))

    def epoch(authorities: tuple[Authority, ...], catalogue: bytes) -> Any:
        layout = SimpleNamespace(catalogue=catalogue)
        return SimpleNamespace(roster=SimpleNamespace(authorities=authorities), signed=SimpleNamespace(layout=layout))

    gate.check_epoch(epoch(gate.authorities, gate.scope.hash))
    for wrong, field in (
        (epoch((), gate.scope.hash), "authorities"),
        (epoch(gate.authorities, bytes(32)), "catalogue"),
    ):
        with pytest.raises(ConfigurationError, match=field):
            gate.check_epoch(wrong)
