"""What a node counts is the same whether a person is among its records or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rounds_world import COORDINATOR, Bank, Clock, catalogue, make_plan, records, sign

from clients.institution.node_figures import LedgerFigures, due_replays
from clients.institution.replay.draws import keep_draw
from federation.observability import metrics
from federation.observability.monitor import Monitor
from federation.observability.names import Process
from federation.oversight.replay import Draw
from federation.privacy import SeededNoise
from federation.records.encoded import Encoded
from federation.rounds.averaging import model_to_bytes
from federation.training import initial_parameters
from protocols.envelope import seal
from protocols.wire.training_pb2 import Envelope, Phase, PlanProposal, RoundRequest

Figures = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(autouse=True)
def _nowhere() -> Iterator[None]:
    yield
    metrics.send_to(None)


def bank(training: Encoded) -> Bank:
    made = Bank("bank-a", Clock())
    made.computation = type(made.computation)(catalogue(), training, records(2), SeededNoise(5))
    made.restart()
    return made


def life(bank: Bank) -> Figures:
    """Rounds, an evaluation, refusals; then all figures but times and the machine's."""
    monitor = Monitor(Process.NODE)
    metrics.send_to(monitor.figures)
    monitor.read("ledger", LedgerFigures(bank.ledger).read)
    plan = make_plan()
    signed = sign(plan)
    bank.node.handle(seal(PlanProposal(plan=plan.canonical()), COORDINATOR))
    for phase, number, late in (
        (Phase.TRAIN, 1, 0),
        (Phase.TRAIN, 1, 0),
        (Phase.TRAIN, 2, 120),
        (Phase.EVALUATE, 0, 0),
    ):
        request = RoundRequest(
            signed_plan=signed.canonical(),
            plan_hash=bytes.fromhex(plan.hash),
            phase=phase,
            round=number,
            model=model_to_bytes(initial_parameters(catalogue(), plan.recipe)),
            deadline_ms=int((bank.clock() + 60 - late) * 1000),
        )
        bank.node.handle(seal(request, COORDINATOR))
    bank.node.handle(Envelope(kind="SubjectRequest").SerializeToString())
    families = text_string_to_metric_families(monitor.exposition().decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.startswith("process_") and sample.value == sample.value
    }


@pytest.mark.parametrize("size", [1, 40])
def test_one_record_more_or_less_changes_no_figure(size: int) -> None:
    table = records(1, size + 1)
    without = np.ones(size + 1, dtype=np.bool_)
    without[0] = False
    figures = life(bank(table))
    assert figures == life(bank(table.take(without)))
    assert figures["fedscore_releases_total", ("train",)] == 1
    assert figures["fedscore_releases_total", ("evaluate",)] == 1
    assert figures["fedscore_refusals_total", ("late",)] == 1
    assert figures["fedscore_epsilon_spent", ("run",)] > 0


def test_a_record_that_breaks_the_arithmetic_is_an_internal_error_like_any_other() -> None:
    broken = bank(records(1))
    broken.computation.train = lambda *_: np.full(3, np.nan, np.float32)  # type: ignore[method-assign]
    failing = bank(records(1))
    failing.computation.train = lambda *_: 1 / 0  # type: ignore[method-assign,assign]
    figures = life(broken)
    assert figures == life(failing)
    assert figures["fedscore_refusals_total", ("internal",)] == 2


def test_a_count_of_records_would_tell() -> None:
    """The comparison sees a node that counts what it trains on."""
    told = []
    for size in (40, 41):
        careless, table = bank(records(1, size)), records(1, size)
        train = careless.computation.train

        def counting(*arguments: Any, train: Any = train, table: Encoded = table) -> Any:
            metrics.count("fedscore_refusals_total", len(table), code="late")
            return train(*arguments)

        careless.computation.train = counting  # type: ignore[method-assign]
        told.append(life(careless))
    assert told[0] != told[1]


def test_a_drawn_round_is_work_until_it_is_nearly_due(tmp_path: Path) -> None:
    """Two weeks are given: a node that is asked for a replay is as ready as before."""
    now = 1_900_000_000.0
    assert due_replays(tmp_path, now) is None
    said = Draw("bank-a", "spring", "train", 1, 1, int(now) + 14 * 86_400)
    keep_draw(tmp_path, said.entry(COORDINATOR))
    assert due_replays(tmp_path, now) is None
    assert due_replays(tmp_path, now + 12 * 86_400) == "a drawn round is due within three days"
    assert due_replays(tmp_path, now + 15 * 86_400) == "a drawn round was not replayed in time"
