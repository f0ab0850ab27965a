"""Drift and contests as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from federation.evaluation import Estimate
from federation.evaluation.fairness import Fairness
from federation.monitoring import Contest, Drift, Stability, Verdict
from federation.monitoring.drift import Change

_STYLES = {Verdict.ALERT: "bold red", Verdict.SHIFTED: "yellow", Verdict.WITHHELD: "dim", Verdict.STABLE: ""}


def show_drift(found: Drift, console: Console) -> None:
    title = f"{found.reference.name} to {found.current.name}, model {found.current.model[:16]}"
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    table.add_column("", overflow="fold")
    for heading in ("index", "error", "seen from", "cells"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    ordered = sorted(found.features.items(), key=lambda item: -(item[1].value or 0.0))
    for name, index in [("scores", found.scores), *ordered]:
        table.add_row(*_row(name, index), style=_STYLES[index.verdict])
    console.print(table)
    console.print("Stability indices: one below `seen from` cannot be told from chance and noise.")
    if any(index.value is None for index in (found.scores, *found.features.values())):
        console.print("withheld: too few records for this noise; --json says how many there are about.")
    if found.performance:
        console.print(_changes(found.performance, found.reference.name, found.current.name))
    if found.after is not None:
        console.print(_fairness(found.after.fairness, found.current.name))
    for alert in found.alerts:
        console.print(f"[bold red]ALERT[/bold red] {escape(alert)}")


def show_contest(found: Contest, console: Console) -> None:
    console.print(_changes(found.changes, "champion", "challenger"))
    console.print(f"{found.champion.name}: [bold]{found.better}[/bold] (AUC, at 1%).")


def _fairness(attributes: Sequence[Fairness], vintage: str) -> Table:
    table = Table(title=escape(f"Fairness, {vintage}"), title_justify="left")
    table.add_column("attribute")
    table.add_column("profile")
    for heading in ("value", "limit"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for found in attributes:
        for each in found.comparisons:
            verdict = {True: "holds", False: "broken", None: "too few records"}[each.holds]
            said = f"{verdict}, uncertain" if each.uncertain else verdict
            value = "" if each.value is None else f"{each.value:.3f}"
            table.add_row(escape(found.attribute), escape(each.title), value, f"{each.limit:g}", said)
    return table


def _row(name: str, index: Stability) -> tuple[str, ...]:
    if index.value is None:
        return escape(name), "withheld", "", "", "", "too few"
    return escape(name), f"{index.value:.3f}", f"{index.se:.3f}", f"{index.floor:.3f}", str(index.cells), index.verdict


def _changes(changes: Mapping[str, Change], before: str, after: str) -> Table:
    table = Table()
    table.add_column("metric")
    for heading in (before, after, "change", "p"):
        table.add_column(escape(heading), justify="right")
    for name, change in changes.items():
        value = "" if change.value is None or change.se is None else f"{change.value:+.4f} ± {change.se:.4f}"
        p = "" if change.p is None else f"{change.p:.3f}"
        table.add_row(
            name, _figure(change.before), _figure(change.after), value, p, style="bold red" if change.alert else ""
        )
    return table


def _figure(estimate: Estimate) -> str:
    return "withheld" if estimate.value is None else f"{estimate.value:.4f}"
