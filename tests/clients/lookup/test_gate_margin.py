"""An honest bank is never framed: what has served, or runs out before its leaf is made, is not asked."""

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
from federation.errors import ConfigurationError
from federation.lookup.outcome import Unavailable
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.lookup.leaf import Leaf
from protocols.signing import SigningKey

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


def test_a_receipt_that_has_served_is_refused_before_anybody_is_asked(persons: Persons) -> None:
    """By the gate itself, and not by the members, before whom the question would stand in the log."""
    consent = persons.consent(MARY, "bank-a")
    gate = gate_of(persons.folder, (persons.authority.authority,))
    question = Question(MARY, PURPOSE, consent.encode())
    gate.check(question)
    qid, day = bytes(16), 1_900_000_000
    leaf = Leaf("bank-a", b"e" * 32, qid, "p", consent.serial, b"r" * 32, b"b" * 32, b"", b"x" * 32, day)
    gate.consents.take([(leaf.sign(SigningKey.generate()), consent)])
    with pytest.raises(ConsentRefused) as refused:
        gate.check(question)
    assert refused.value.rule is Rule.USED


@pytest.mark.parametrize("needed", [True, False])
def test_a_purpose_that_the_members_did_not_agree_on_is_refused(needed: bool, persons: Persons) -> None:
    """Whatever the person permitted, and where nobody's consent is needed too."""
    authorities = (persons.authority.authority,) if needed else ()
    other = "credit-review"
    receipt = persons.consent(MARY, "bank-a", purpose=other).encode() if needed else b""
    assert gate_of(persons.folder, authorities, purposes=(PURPOSE, other)).check(Question(MARY, other, receipt))
    with pytest.raises(ConfigurationError, match=f"purpose: got {other}, expected {PURPOSE}"):
        gate_of(persons.folder, authorities).check(Question(MARY, other, receipt))


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
