"""Whatever stands in an export, verification ends with a verdict: no crash, no endless accounting."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_federation import Federation, honest, make_plan, release_of
from oversight_lies import rewritten
from oversight_world import World, key_of

from clients.regulator.findings import Outcome, StepResult
from clients.regulator.steps.epsilon import EpsilonStep
from clients.regulator.verify import verify
from federation.ledger.entries import Entry as LedgerEntry
from federation.privacy.event import GaussianEvent
from protocols.canonical import canonical
from protocols.transparency import Entry, Statement

COORDINATOR = key_of("coordinator")


@pytest.mark.parametrize("seed", range(6))
def test_random_bytes_in_random_lines(tmp_path: Path, seed: int) -> None:
    draw, world = random.Random(seed), honest()
    for _ in range(6):
        index = draw.randrange(len(world.entries))
        data = bytearray(world.entries[index])
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.choice(b'0129{}[]":,ae\\\x00\xff')
        world = world.changed(index, bytes(data).replace(b"\n", b" "))
    assert not verify(world.export(tmp_path / "export.zip"), world.policy()).holds


@pytest.mark.parametrize(
    "event",
    [
        GaussianEvent(1.0, 1e-200, 1),
        GaussianEvent(0.5, 1e-3, 10**6),
        GaussianEvent(1e-300, 1e-5, 10),
        GaussianEvent(0.2, 4.0, 2**50),
        GaussianEvent(1.0, 1e300, 1),
    ],
)
def test_mechanisms_that_no_accountant_answers_for(tmp_path: Path, event: GaussianEvent) -> None:
    def change(entry: LedgerEntry) -> LedgerEntry:
        assert entry.release is not None
        return replace(entry, release=replace(entry.release, event=event))

    world = rewritten(honest(), "bank-b", change)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert {step.number for step in verdict.steps if step.findings} >= {7, 8}


@pytest.mark.parametrize(
    ("field", "step"),
    [({"delta": 0.0}, 2), ({"delta": 2.0}, 2), ({"delta": -1.0}, 2), ({"order": 7777}, 2), ({"key": "1999"}, 3)],
)
def test_amounts_that_mean_nothing(tmp_path: Path, field: dict[str, Any], step: int) -> None:
    """Those that nothing could be reckoned with are no entries at all."""

    def change(entry: LedgerEntry) -> LedgerEntry:
        return replace(entry, amounts=tuple(replace(amount, **field) for amount in entry.amounts))

    world = rewritten(honest(), "bank-b", change)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert verdict.first is not None
    assert verdict.first[0].number == step
    assert verdict.first[1].index == world.ledger("bank-a")[0][0] + 2  # bank-b's first entry


def test_how_long_accounting_takes_is_not_the_institutions_choice(tmp_path: Path) -> None:
    """Every run with another noise is another history to ask two accountants about."""

    federation, plan = Federation(), make_plan()
    federation.enrol()
    for number in range(3):
        event = GaussianEvent(1.0, 40.0 + number, 1)
        release = replace(release_of(plan, "train", 1, "12" * 32), event=event, run_id=f"run-{number}")
        federation.ledgers["bank-b"].reserve(release)
    federation.log("bank-b")
    world = World(tuple(federation.entries), {}, earlier=(), promised=())
    path, accounting = world.export(tmp_path / "export.zip"), {"sample": 0}
    asked = verify(path, world.policy(accounting=accounting), [EpsilonStep]).step(7)
    assert asked.outcome is Outcome.HOLDS
    for limits, got in (({"compositions": 1}, "2 different compositions"), ({"mechanisms": 1}, "different mechanisms")):
        step = verify(path, world.policy(accounting=accounting | limits), [EpsilonStep]).step(7)
        found = [finding for finding in step.findings if "to be recomputed" in finding.expected]
        assert got in found[0].got
        assert {finding.institution for finding in found} >= {"bank-b"}
        assert compositions(step) < compositions(asked)


def compositions(step: StepResult) -> int:
    found = re.search(r"(\d+) different compositions", step.facts[-1])
    assert found is not None
    return int(found[1])


CONTENTS: list[tuple[str, Any]] = [
    ("round", {}),
    ("round", {"updates": []}),
    ("model", {"run_id": ["x"]}),
    ("evaluation", {"run_id": "spring", "plan_hash": "aa" * 32, "model_hash": "bb" * 32, "document_hash": 5}),
    ("member", {"institution": "bank-a", "from": "elsewhere"}),
    ("regulator", {"key": None}),
    ("audit-result", {"institution": {"a": 1}, "passed": "yes"}),
    ("replay-result", {"matches": 1}),
]


@pytest.mark.parametrize(("kind", "content"), CONTENTS)
def test_statements_that_say_nothing(tmp_path: Path, kind: str, content: dict[str, Any]) -> None:
    world = honest().inserted(28, Statement.sign(kind, content, COORDINATOR).entry.data)
    assert not verify(world.export(tmp_path / "export.zip"), world.policy()).holds


@pytest.mark.parametrize("body", [[], 1, "x", None, {"plan": []}, {"content": 1, "signature": "", "signer": ""}])
@pytest.mark.parametrize("kind", ["plan", "round", "ledger-entry", "member"])
def test_bodies_of_another_form(tmp_path: Path, kind: str, body: Any) -> None:
    world = honest().inserted(28, Entry(kind, canonical(body)).data)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert {step.number for step in verdict.steps if step.findings} >= {2}


def test_a_kind_that_nobody_knows_is_told(tmp_path: Path) -> None:
    world: World = honest().inserted(28, Entry("surprise", b"{}").data)
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert verdict.holds
    assert "1 entries of kind surprise" in verdict.step(2).notes[0]


def test_the_collector_is_as_it_was_after_a_verification(tmp_path: Path) -> None:
    """Verification has it look rarely, and gives it back, whatever is in the export."""
    import gc

    before = (gc.get_threshold(), gc.get_freeze_count())
    path = honest().changed(3, b"{").export(tmp_path / "export.zip")
    assert not verify(path, honest().policy()).holds
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
