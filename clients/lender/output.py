"""Blind scores for people and files; a file is its owner's alone, and whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import typer

from clients.lender.scoring import Result
from federation.blind.reading import bands_within
from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.scorecard import Outcome
from protocols.printable import printable

SUFFIXES = (".parquet", ".csv")


def check_out(out: Path | None) -> None:
    """Raises ConfigurationError for an output of another format, before anything is spent on it."""
    if out is None:
        return
    if not out.name.endswith(SUFFIXES):
        raise ConfigurationError("out", got=out.name, expected=f"a file ending in {' or '.join(SUFFIXES)}")
    if not out.parent.is_dir():
        raise ConfigurationError("out", got=str(out.parent), expected="a folder that exists")


def write_scores(result: Result, out: Path) -> None:
    """Raises ConfigurationError for a place that cannot be written."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        frame: pl.DataFrame = result.to_frame()
        if out.name.endswith(".csv"):
            frame.write_csv(partial)
        else:
            frame.write_parquet(partial)
        partial.replace(out)
    except OSError as error:
        raise ConfigurationError(str(out), got=error.strerror, expected="a path that can be written") from error


def print_scores(result: Result, catalogue: Catalogue, *, as_json: bool) -> None:
    """One line (a JSON object with `as_json`) for each applicant, to the terminal."""
    low, high = bands_within(result.scores, result.plus_minus)
    names = [band.name for band in result.scores.scaling.bands]
    subjects = result.applicants.records.subjects
    for index, row in enumerate(result.applicants.rows.tolist()):
        name = None if subjects is None else str(subjects[index])
        found = result.scores.subject(index, name)
        if as_json:
            bands = None if low[index] < 0 else [names[low[index]], names[high[index]]]
            typer.echo(json.dumps({"row": row, **found.to_json(), "plus_minus": result.plus_minus, "bands": bands}))
            continue
        who = f"row {row}" if name is None else printable(name)
        if found.outcome is not Outcome.SCORED or found.score is None:
            typer.echo(f"{who}: {found.outcome.label}, {found.known} of {len(catalogue.features)} features known")
            continue
        band = found.band if low[index] == high[index] else f"{names[low[index]]} or {names[high[index]]}"
        reasons = ", ".join(f"{part} {points:.0f}" for part, points in found.reasons or ())
        typer.echo(f"{who}: {found.score:.0f} +- {result.plus_minus:.1f}, {band}; points lost: {reasons or 'none'}")
