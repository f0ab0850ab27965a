"""Scores on a terminal: one subject for a person, one file as counts."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.institution.scoring import FileResult
from federation.catalogue import Catalogue
from federation.scorecard import Coverage, Outcome, SubjectScore
from protocols.printable import printable

WHY = {
    Outcome.THIN_FILE: "too few features are known for a score",
    Outcome.NO_HIT: "no record of this subject in the file",
}


def show_subject(result: SubjectScore, catalogue: Catalogue, console: Console) -> None:
    """Score, band, five parts, reasons, coverage; or the outcome and why there is no score."""
    console.print(f"[bold]{escape(printable(result.subject or ''))}[/bold]  {result.outcome.label}", highlight=False)
    if result.outcome is not Outcome.SCORED:
        console.print(WHY[result.outcome])
    elif result.score is not None:
        console.print(f"[bold]{result.score:.0f}[/bold]  {result.band}", highlight=False)
        _parts(result, console)
        _reasons(result, catalogue, console)
    _coverage(result.coverage, console, result.known if result.outcome is not Outcome.NO_HIT else None)
    if result.note:
        console.print(result.note)


def _parts(result: SubjectScore, console: Console) -> None:
    if result.parts is None or result.unclamped is None or result.score is None:
        return
    table = Table("part", "points")
    table.columns[1].justify = "right"
    for name, points in result.parts.items():
        table.add_row(name, f"{points:.1f}")
    table.add_section()
    table.add_row("sum", f"{result.unclamped:.1f}")
    if abs(result.unclamped - result.score) > 1e-9:
        table.add_row("clamped to the scale", f"{result.score:.1f}")
    console.print(table)


def _reasons(result: SubjectScore, catalogue: Catalogue, console: Console) -> None:
    if result.reasons is None:
        return
    if not result.reasons:
        console.print(f"Nothing counts against this subject, measured from the {result.reference}.")
        return
    console.print(f"What lowers the score most, in points below the {result.reference}:")
    for family, points in result.reasons:
        console.print(f"  {points:6.1f}  {escape(catalogue.reasons.get(family, family))}", highlight=False)


def _coverage(coverage: Coverage | None, console: Console, known: int | None) -> None:
    if coverage is None:
        return
    seen = "" if known is None else f", {known} known of this subject"
    console.print(f"{coverage.held} of {coverage.features} features held{seen}", highlight=False)
    if coverage.not_held:
        console.print(f"not held, contribute nothing: {escape(', '.join(coverage.not_held))}", highlight=False)


def show_file(result: FileResult, seconds: float, console: Console) -> None:
    """Counts per outcome and band."""
    table = Table("band", "subjects")
    table.columns[1].justify = "right"
    for name, count in result.scores.band_counts().items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    outcomes = ", ".join(f"{count:,} {name}" for name, count in result.scores.counts().items() if count)
    console.print(f"{result.rows_read:,} rows in {seconds:.1f} s: {outcomes or 'none scored'}", highlight=False)
    if result.quarantine_file is not None:
        console.print(f"{result.quarantined:,} rows quarantined: {escape(str(result.quarantine_file))}", soft_wrap=True)
    _coverage(result.scores.coverage, console, None)
    if result.scores.note:
        console.print(result.scores.note)
    console.print(f"Written: {escape(str(result.out))}", soft_wrap=True)
