"""An honest bank is never framed by time: what would run out before its leaf is made is not asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wallets import DAY_S, PURPOSE, Persons, gate_of

from clients.institution.lookup.gate import MARGIN_S
from clients.institution.lookup.querier import TOGETHER, Querier, Ready
from clients.institution.lookup.questions import Question
from federation.lookup.outcome import Unavailable
from protocols.consent.refusal import ConsentRefused, Rule

MARY = "P-0017"


@pytest.fixture
def persons(tmp_path: Path) -> Persons:
    return Persons.under(tmp_path)


@pytest.mark.parametrize(("left", "rule"), [(MARGIN_S, Rule.EXPIRED), (MARGIN_S + 1, None)])
def test_a_receipt_is_not_used_in_its_last_seconds(left: int, rule: Rule | None, persons: Persons) -> None:
    now = int(time.time())
    document = persons.consent(MARY, "bank-a", now=now - DAY_S, until=now + left).encode()
    gate = gate_of(persons.folder, (persons.authority.authority,), clock=lambda: now + 0.9)
    try:
        found = None
        gate.check(Question(MARY, PURPOSE, document))
    except ConsentRefused as refused:
        found = refused.rule
    assert found is rule


def test_what_runs_out_while_the_relay_is_dialled_is_not_asked(persons: Persons) -> None:
    now = int(time.time())
    clock = SimpleNamespace(now=float(now))
    document = persons.consent(MARY, "bank-a", until=now + 60).encode()
    asked: list[Any] = []
    asking: Any = SimpleNamespace(
        tickets=asked.append, epoch=SimpleNamespace(context=SimpleNamespace(parameters=SimpleNamespace(engine="bfv")))
    )

    def slowly(stack: object) -> Ready:
        clock.now += 120
        return Ready(asking, SimpleNamespace())  # type: ignore[arg-type]

    gate = gate_of(persons.folder, (persons.authority.authority,), clock=lambda: clock.now)
    with pytest.raises(ConsentRefused) as refused:
        Querier(gate, slowly).ask(MARY, PURPOSE, document)
    assert refused.value.rule is Rule.EXPIRED
    assert asked == []


def test_what_runs_out_while_the_rest_of_its_batch_is_awaited_is_not_asked(persons: Persons) -> None:
    """Questions that come one by one, as from a desk: the first of a batch is checked long before its leaf is made."""
    now = int(time.time())
    clock = SimpleNamespace(now=float(now))
    documents = [
        persons.consent(MARY, "bank-a", until=now + left).encode() for left in (*[9_000] * TOGETHER, 60, 9_000)
    ]
    asked: list[Any] = []

    def read(batch: Any) -> None:
        for each in batch:
            each.found = Unavailable("pool", "not needed")

    epoch = SimpleNamespace(context=SimpleNamespace(parameters=SimpleNamespace(engine="lwe")))
    asking: Any = SimpleNamespace(tickets=lambda batch: asked.append(len(batch)), read=read, epoch=epoch)

    def slowly() -> Iterator[Question]:
        for document in documents:
            if document is documents[-1]:
                clock.now += 120
            yield Question(MARY, PURPOSE, document)

    gate = gate_of(persons.folder, (persons.authority.authority,), clock=lambda: clock.now)
    answers = Querier(gate, lambda stack: Ready(asking, SimpleNamespace())).ask_many(slowly())  # type: ignore[arg-type]
    assert [next(answers).available for _ in range(TOGETHER)] == [False] * TOGETHER
    with pytest.raises(ConsentRefused) as refused:
        next(answers)
    assert refused.value.rule is Rule.EXPIRED
    assert asked == [TOGETHER, 0]
