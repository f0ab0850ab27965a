"""Tickets are asked for many at a time, rows read few at a time, and answers come in the order of the questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wallets import PURPOSE, gate_of

from clients.institution.lookup.asking import Asked
from clients.institution.lookup.querier import READ, TOGETHER, Querier, Ready
from clients.institution.lookup.questions import Question
from federation.lookup.outcome import Unavailable


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
