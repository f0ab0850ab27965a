"""Blind scores for people, and as JSON lines."""

from __future__ import annotations

import json

import typer

from clients.lender.scoring import Result
from federation.blind.reading import bands_within
from federation.catalogue import Catalogue
from federation.scorecard import Outcome
from protocols.printable import printable


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
        texts = catalogue.reasons
        reasons = ", ".join(f"{texts.get(part, part)} {points:.0f}" for part, points in found.reasons or ())
        typer.echo(f"{who}: {found.score:.0f} +- {result.plus_minus:.1f}, {band}; points lost: {reasons or 'none'}")
