"""`fedscore synth`: a synthetic population as files."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape

from federation.errors import FederationError
from federation.runtime.sheet import Sheet
from federation.synthetic.population import PopulationSpec
from federation.synthetic.tables import Format, Population, write_population

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="Draw a synthetic population, one file per institution."
)


@app.callback(invoke_without_command=True)
def synth(
    out: Annotated[Path, typer.Option(help="Directory for the files; made if absent.")],
    persons: Annotated[int, typer.Option(help="How many persons.")] = 60_000,
    institutions: Annotated[int, typer.Option(help="How many institutions know them.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed draws the same population.")] = 7,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write Parquet instead of gzipped CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Persons with a latent creditworthiness, customers of several institutions at once, each seeing another view."""
    form: Format = "parquet" if parquet else "csv.gz"
    started = time.perf_counter()
    try:
        spec = PopulationSpec(persons=persons, institutions=institutions)
        population = Population.draw(spec, np.random.default_rng(seed))
        paths = write_population(population, out, form=form)
    except (FederationError, OSError) as error:
        typer.echo(f"refused: {error}", err=True)
        raise typer.Exit(1) from None
    facts = population.facts() | {
        "seed": seed,
        "files": [str(path) for path in paths],
        "seconds": round(time.perf_counter() - started, 2),
    }
    if as_json:
        json.dump(facts, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _show(population, paths, facts)


def _show(population: Population, paths: tuple[Path, ...], facts: dict[str, object]) -> None:
    title = f"{population.spec.persons:,} persons, drawn in {facts['seconds']} s"
    sheet = Sheet("file", "records", "default rate", title=title, right=("records", "default rate"))
    for path, view in zip(paths, population.views, strict=True):
        rate = population.people.bad[view.rows].mean()
        sheet.add(escape(str(path)), f"{len(view):,}", f"{rate:.2%}")
    sheet.show(Console())
    Console().print(f"A person is known to {facts['institutions_per_person']} institutions on average.")
