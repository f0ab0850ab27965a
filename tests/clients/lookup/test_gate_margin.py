"""An honest bank is never framed by time: what would run out before its leaf is made is not asked."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wallets import DAY_S, PURPOSE, Persons, gate_of

from clients.institution.lookup.gate import MARGIN_S
from clients.institution.lookup.querier import Querier, Ready
from clients.institution.lookup.questions import Question
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
