"""One member makes one sum senseless at a subject it chose: the others' answers come, and the pool sees no pause."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from wallets import PURPOSE, gate_of

from clients.institution.lookup.concluding import Concluding
from clients.institution.lookup.querier import Querier, Ready
from clients.institution.lookup.questions import Question
from federation.lookup.outcome import Unavailable
from federation.lookup.record import Contribution, JointSum
from protocols.lookup.parameters import MODULUS

OWN = np.array([0, 1, 16, 3, 3, 3, 3, 4], np.int32)
LIVE = Contribution(2.0, (0.4,) * 5)
HONEST, EVIL = np.array([0, 1, 8, 0, 0, 0, 0, 0]), np.array([0, 0, 1, 0, 0, 0, 0, 0])
QUESTIONS = 40


class Asking:
    """Another member knows everyone; at `target` it gives evidence and says that it knows nobody."""

    def __init__(self, target: bytes) -> None:
        self.epoch = SimpleNamespace(context=SimpleNamespace(parameters=SimpleNamespace(engine="bfv")))
        self.target, self.calls = target, list[tuple[str, int]]()

    def tickets(self, batch: Any) -> None:
        self.calls.append(("Ticket", len(batch)))

    def read(self, batch: Any) -> None:
        self.calls.append(("Query", len(batch)))
        for asked in batch:
            total = OWN.astype(np.int64) + (EVIL if asked.identifier == self.target else HONEST)
            asked.found = JointSum.read((total % MODULUS).astype(np.uint32), 4)


def ask(target: bytes, folder: Path) -> tuple[list[Any], list[tuple[str, int]]]:
    card: Any = SimpleNamespace(outcome=lambda known, own, freshness: known)
    snapshot: Any = SimpleNamespace(of=lambda identifier: (OWN, LIVE))
    concluding = Concluding(card, snapshot, None)  # type: ignore[arg-type]
    asking: Any = Asking(target)
    identifiers: Any = SimpleNamespace(normalise=str.encode)
    querier = Querier(replace(gate_of(folder), identifiers=identifiers), lambda stack: Ready(asking, concluding))
    answers = list(querier.ask_many(Question(f"s{number}", PURPOSE) for number in range(QUESTIONS)))
    return [answer.outcome for answer in answers], asking.calls


@pytest.mark.parametrize("target", ["s0", "s5", "s21", "s39"])
def test_a_senseless_sum_costs_its_own_answer_and_nothing_else(target: str, tmp_path: Path) -> None:
    undisturbed, seen = ask(b"nobody", tmp_path)
    assert not any(isinstance(outcome, Unavailable) for outcome in undisturbed)
    outcomes, seen_with_target = ask(target.encode(), tmp_path)
    assert sorted(seen_with_target) == sorted(seen)
    assert [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Unavailable)] == [int(target[1:])]
    assert outcomes[int(target[1:])].party == "members"
