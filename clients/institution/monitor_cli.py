"""`fedscore institution monitor`: a model in use, by vintage: one charged release each, then comparisons that are free.

    fedscore institution monitor release --home HOME --model model.json --data 2030Q2.csv --vintage 2030Q2 \\
        --epsilon .2 --out 2030Q2.json
    fedscore institution monitor drift   --home HOME --reference 2029.json --current 2030Q2.json
    fedscore institution monitor contest --home HOME --champion 2030Q2.json --challenger 2030Q2-new.json

--reference, --current, --champion and --challenger may be repeated: releases of several institutions are added up.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.monitor_view import show_contest, show_drift
from clients.institution.monitoring import Order, release
from clients.institution.scoring import open_scorer
from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.monitoring import MonitoringRelease, Vintage, contest, drift, together
from federation.privacy import OsNoise
from federation.runtime.outputs import refuse_existing
from federation.runtime.private_files import write_public
from federation.scorecard import Scaling

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Drift, performance by vintage, champion against challenger: charged once, signed.",
)
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")]


@app.command("release")
def release_vintage(
    home: Home,
    model: Annotated[Path, typer.Option(help="The published model, model.json.")],
    data: Annotated[Path, typer.Option(help="The vintage's records: CSV, CSV.gz, Parquet; outcomes if known.")],
    vintage: Annotated[str, typer.Option(help="Its label, such as 2030Q2.")],
    epsilon: Annotated[float, typer.Option(help="What it may cost; charged to the year and the lifetime.")],
    out: Annotated[Path, typer.Option(help="Where the signed release goes.")],
    delta: Annotated[float | None, typer.Option(help="\\[that of the caps].")] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Release the noisy histograms of one vintage under one model: what `drift` and `contest` compare.

    The same vintage under the same model is charged once; asked again, the same bytes are written again.
    """
    opened = InstitutionHome.open(home)
    refuse_existing(out, overwrite=overwrite)
    scorer = open_scorer(opened, model, None, Scaling())
    order = Order(vintage, epsilon, opened.caps().delta if delta is None else delta)
    made = release(opened, scorer, data, order, OsNoise())
    write_public(out, made.data, mode=0o600)
    facts = {
        "file": str(out),
        "vintage": vintage,
        "model": made.release.model,
        "outcomes": made.release.outcomes,
        "epsilon": made.release.epsilon,
        "delta": made.release.delta,
        "sd": made.release.sd,
        "reservation": made.release.reservation,
        "repeated": made.repeated,
        "rows_good": made.report.rows_good,
        "rows_quarantined": made.report.rows_quarantined,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    console = Console()
    cost = "nothing, it was released before" if made.repeated else f"epsilon {made.release.epsilon:.3f} (PLD)"
    console.print(
        f"Vintage {escape(vintage)}: {cost}, at delta {made.release.delta:g}; {escape(str(out))}", soft_wrap=True
    )
    broken = f"; {made.report.rows_quarantined:,} broke a rule of the catalogue" if made.report.rows_quarantined else ""
    console.print(f"{made.report.rows_good:,} rows {'in the file' if made.repeated else 'counted'}{broken}.")


@app.command("drift")
def drift_between(
    home: Home,
    reference: Annotated[list[Path], typer.Option(help="A release of the reference vintage; repeat.")],
    current: Annotated[list[Path], typer.Option(help="A release of the current vintage; repeat.")],
    as_json: AsJson = False,
) -> None:
    """Compare two vintages under one model. Exit code 3 where something must be looked at."""
    opened = InstitutionHome.open(home)
    found = drift(_vintage(opened, reference), _vintage(opened, current))
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        show_drift(found, Console())
    raise typer.Exit(3 if found.alerts else 0)


@app.command("contest")
def contest_between(
    home: Home,
    champion: Annotated[list[Path], typer.Option(help="A release under the model in use; repeat.")],
    challenger: Annotated[list[Path], typer.Option(help="One of the same vintage under the other model; repeat.")],
    as_json: AsJson = False,
) -> None:
    """Compare two models on one vintage whose outcomes are known."""
    opened = InstitutionHome.open(home)
    found = contest(_vintage(opened, champion), _vintage(opened, challenger))
    if as_json:
        typer.echo(json.dumps(found.to_json()))
    else:
        show_contest(found, Console())


def _vintage(home: InstitutionHome, files: list[Path]) -> Vintage:
    """Raises ConfigurationError for a release in this institution's name that it did not sign."""
    releases = [MonitoringRelease.read(_bytes(file), str(file)) for file in files]
    for file, found in zip(files, releases, strict=True):
        if found.institution == home.name and found.signer != home.signing_key.public:
            raise ConfigurationError(f"{file}: signer", got="another key", expected=f"the key of {home.name}")
    return together(releases, load_catalogue(home.catalogue))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected="a readable file") from error
