"""A verdict at a terminal: a log that was tampered with fails in many places, and a screen shows the first of them."""

from __future__ import annotations

import io

from rich.console import Console

from clients.regulator.findings import Finding, Outcome, StepResult, Verdict
from clients.regulator.view import SHOWN, show


def test_a_flood_of_findings_is_counted_and_not_printed() -> None:
    findings = tuple(Finding(f"checkpoint {n}", "ab" * 400, "cd" * 400, n) for n in range(20))
    step = StepResult(5, "Earlier checkpoints are in it", Outcome.FAILS, findings, 115, (), ())
    out = io.StringIO()
    show(Verdict((step,), None), Console(file=out, width=100))
    told = out.getvalue()
    assert "Step 5 fails first: log entry 0: checkpoint 0" in told
    assert f"and {115 - SHOWN} more: --json and --report list them" in " ".join(told.replace("│", " ").split())
    assert len(told.splitlines()) < 60
