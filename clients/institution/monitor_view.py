"""Drift and contests as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape

from federation.evaluation import Estimate
from federation.evaluation.fairness import Fairness
from federation.monitoring import Contest, Drift, Stability, Verdict
from federation.monitoring.drift import Change
from federation.runtime.sheet import Sheet

_STYLES = {Verdict.ALERT: "bold red", Verdict.SHIFTED: "yellow", Verdict.WITHHELD: "dim", Verdict.STABLE: ""}


def show_drift(found: Drift, console: Console) -> None:
    title = f"{found.reference.name} to {found.current.name}, model {found.current.model[:16]}"
    figures = ("index", "error", "seen from", "cells")
    sheet = Sheet("of", *figures, "", title=title, right=figures)
    ordered = sorted(found.features.items(), key=lambda item: -(item[1].value or 0.0))
    for name, index in [("scores", found.scores), *ordered]:
        sheet.add(*_row(name, index), style=_STYLES[index.verdict])
    sheet.show(console)
    console.print("Stability indices: one below `seen from` cannot be told from chance and noise.")
    if any(index.value is None for index in (found.scores, *found.features.values())):
        console.print("withheld: too few records for this noise; --json says how many there are about.")
    if found.performance:
        _changes(found.performance, found.reference.name, found.current.name).show(console)
    if found.after is not None:
        _fairness(found.after.fairness, found.current.name).show(console)
    for alert in found.alerts:
        console.print(f"[bold red]ALERT[/bold red] {escape(alert)}")


def show_contest(found: Contest, console: Console) -> None:
    _changes(found.changes, "champion", "challenger").show(console)
    console.print(f"{escape(found.champion.name)}: [bold]{found.better}[/bold] (AUC, at 1%).")


def _fairness(attributes: Sequence[Fairness], vintage: str) -> Sheet:
    figures = ("value", "limit")
    sheet = Sheet("attribute", "profile", *figures, "", title=f"Fairness, {vintage}", right=figures)
    for found in attributes:
        for each in found.comparisons:
            verdict = {True: "holds", False: "broken", None: "too few records"}[each.holds]
            said = f"{verdict}, uncertain" if each.uncertain else verdict
            value = "" if each.value is None else f"{each.value:.3f}"
            sheet.add(escape(found.attribute), escape(each.title), value, f"{each.limit:g}", said)
    return sheet


def _row(name: str, index: Stability) -> tuple[str, ...]:
    if index.value is None:
        return escape(name), "withheld", "", "", "", "too few"
    return escape(name), f"{index.value:.3f}", f"{index.se:.3f}", f"{index.floor:.3f}", str(index.cells), index.verdict


def _changes(changes: Mapping[str, Change], before: str, after: str) -> Sheet:
    figures = (before, after, "change", "p")
    sheet = Sheet("metric", *figures, right=figures)
    for name, change in changes.items():
        value = "" if change.value is None or change.se is None else f"{change.value:+.4f} ± {change.se:.4f}"
        p = "" if change.p is None else f"{change.p:.3f}"
        style = "bold red" if change.alert else ""
        sheet.add(escape(name), _figure(change.before), _figure(change.after), value, p, style=style)
    return sheet


def _figure(estimate: Estimate) -> str:
    return "withheld" if estimate.value is None else f"{estimate.value:.4f}"
