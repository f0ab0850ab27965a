"""What a vintage or a metric is called is printed as it is, and is no markup."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from scores_world import CATALOGUE, world

from clients.institution.monitor_view import show_contest
from federation.evaluation import EvaluationSpec
from federation.monitoring import MonitoringRelease, Vintage, contest, together


def vintage(name: str, model: str) -> Vintage:
    records, logits = world(1, 2000)
    counts = EvaluationSpec.from_catalogue(CATALOGUE).counts(logits, records).astype(float).tolist()
    held = MonitoringRelease("bank-a", name, CATALOGUE.hash, model, True, tuple(counts), 5.0, 0.5, 1e-6, "bb" * 32)
    return together([held], CATALOGUE)


def test_names_are_no_markup() -> None:
    found = contest(vintage("2030[/x]", "aa" * 32), vintage("2030[/x]", "cc" * 32))
    console = Console(width=200, record=True)
    show_contest(replace(found, changes={"auc[/y]": found.changes["auc"]}), console)
    said = console.export_text()
    assert "2030[/x]: no measurable difference" in said
    assert "auc[/y]" in said
