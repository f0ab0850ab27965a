"""`fedscore catalogue`: check a catalogue, try a data file against it, read what one says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from federation.catalogue.categories import Dimension
from federation.catalogue.describe import describe
from federation.catalogue.load import load_catalogue, shipped_catalogues
from federation.catalogue.values import Catalogue
from federation.errors import FederationError
from federation.records import (
    Validated,
    ValidationReport,
    encode,
    read_table,
    refuse_empty,
    refuse_same_file,
    refuse_taken,
    validate,
    write_quarantine,
)
from federation.runtime.sheet import Sheet

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Check, list and describe catalogues.",
)

NameOrFile = Annotated[str, typer.Argument(help="A shipped catalogue's name or a TOML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_catalogues(as_json: AsJson = False) -> None:
    """The catalogues that come with fedscore."""
    found = [load_catalogue(name) for name in shipped_catalogues()]
    if as_json:
        _print_json([{"name": c.name, "version": c.version, "title": c.title, "hash": c.hash} for c in found])
        return
    sheet = Sheet("name", "version", "features", "title", "hash")
    for catalogue in found:
        title, held = escape(catalogue.title), str(len(catalogue.features))
        sheet.add(escape(catalogue.name), escape(catalogue.version), held, title, catalogue.hash[:16])
    sheet.show(Console())


@app.command("describe")
def describe_catalogue(name: NameOrFile, as_json: AsJson = False) -> None:
    """What a catalogue says: purpose, target, features with their cells, protected and prohibited attributes."""
    catalogue = _load(name, as_json)
    if as_json:
        _print_json(describe(catalogue))
        return
    _print_catalogue(catalogue)


@app.command()
def check(
    name: NameOrFile,
    data: Annotated[Path | None, typer.Option(help="A .csv, .csv.gz or .parquet file to try against it.")] = None,
    coverage: Annotated[str | None, typer.Option(help="Features held, separated by commas; default: all.")] = None,
    require_target: Annotated[bool, typer.Option("--target/--no-target", help="Whether outcomes are needed.")] = True,
    quarantine: Annotated[Path | None, typer.Option(help="Write bad rows to this CSV file, which must be new.")] = None,
    show_values: Annotated[bool, typer.Option(help="Show values of bad rows. They are personal data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a catalogue and, with --data, a file against it. Exit code 1 where either is refused.

    A file is refused where it cannot be read, has a column that is prohibited or lacks one that is needed, and where no
    row of it is good.
    """
    if quarantine is not None and data is None:
        raise typer.BadParameter("bad rows come from a data file: give --data too", param_hint="--quarantine")
    catalogue = _load(name, as_json)
    report = None
    if data is not None:
        try:
            if quarantine is not None:
                refuse_same_file(quarantine, data, Path(name))
                refuse_taken(quarantine)
            held = None if coverage is None else [part.strip() for part in coverage.split(",") if part.strip()]
            checked = validate(read_table(data), catalogue, require_target=require_target, coverage=held)
            encode(checked.good, catalogue, coverage=held)
            report = _set_aside(checked, quarantine)
        except FederationError as error:
            raise _refuse(error, as_json) from None
    refusal = None
    if report is not None:
        try:
            refuse_empty(report, str(data))
        except FederationError as error:
            refusal = error
    _show_check(catalogue, report, refusal, as_json=as_json, show_values=show_values)
    if refusal is not None:
        raise typer.Exit(1)


def _set_aside(checked: Validated, quarantine: Path | None) -> ValidationReport:
    """The report, which names the quarantine file where one was written."""
    if quarantine is None or not checked.quarantine.height:
        return checked.report
    write_quarantine(checked.quarantine, quarantine)
    return replace(checked.report, quarantine_file=str(quarantine))


def _load(name: str, as_json: bool) -> Catalogue:
    try:
        return load_catalogue(name)
    except FederationError as error:
        raise _refuse(error, as_json) from None


def _refuse(error: FederationError, as_json: bool) -> typer.Exit:
    if as_json:
        _print_json({"ok": False, "where": error.where, "got": error.got, "expected": error.expected})
    else:
        typer.echo(f"refused: {error}", err=True)
    return typer.Exit(1)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _show_check(
    catalogue: Catalogue,
    report: ValidationReport | None,
    refusal: FederationError | None,
    *,
    as_json: bool,
    show_values: bool,
) -> None:
    if as_json:
        content: dict[str, object] = {"ok": refusal is None, "name": catalogue.name, "hash": catalogue.hash}
        if refusal is not None:
            content |= {"where": refusal.where, "got": refusal.got, "expected": refusal.expected}
        _print_json(content if report is None else {**content, "data": report.as_dict(show_values=show_values)})
        return
    typer.echo(f"{catalogue.name} {catalogue.version} holds: {len(catalogue.features)} features, hash {catalogue.hash}")
    if report is not None:
        _print_report(report, show_values)
    if refusal is not None:
        typer.echo(f"refused: {refusal}", err=True)


def _print_report(report: ValidationReport, show_values: bool) -> None:
    typer.echo(f"rows: {report.rows_read} read, {report.rows_good} good, {report.rows_quarantined} quarantined")
    if report.quarantine_file is not None:
        typer.echo(f"bad rows written to {report.quarantine_file}")
    for (column, rule), rows in report.broken.items():
        typer.echo(f"  {column}: {rule}: {rows} rows")
    for item in report.examples:
        shown = f": {item.value!r}" if show_values else ""
        typer.echo(f"  row {item.row}, {item.column}: {item.rule}{shown}")
    if report.missing:
        typer.echo("missing: " + ", ".join(f"{column} {rows}" for column, rows in report.missing.items()))
    if report.ignored:
        typer.echo("ignored columns: " + ", ".join(report.ignored))


def _print_catalogue(catalogue: Catalogue) -> None:
    console = Console()
    console.print(f"[bold]{catalogue.name} {catalogue.version}[/bold]  {catalogue.title}")
    console.print(f"hash {catalogue.hash}")
    console.print(f"purpose: {catalogue.purpose}; kept for {catalogue.retention_years} years")
    console.print(f"bad: {catalogue.target.definition} (public base rate {catalogue.base_rate:g})")
    weights = [f"{dim} {catalogue.dimension_weights[dim]:g}" for dim in Dimension]
    console.print(f"weights: {', '.join(weights)}")
    sheet = Sheet("feature", "dimension", "reason", "kind", "cells", right=("cells",))
    for feature in catalogue.features:
        named = escape(f"{feature.name}\n{feature.title}")
        sheet.add(named, str(feature.dimension), escape(feature.reason), str(feature.kind), str(feature.n_cells))
    sheet.show(console)
    console.print(f"protected: {', '.join(item.name for item in catalogue.protected) or 'none'}")
    console.print(f"prohibited: {', '.join(catalogue.prohibited) or 'none'}")
