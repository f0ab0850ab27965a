"""`fedscore institution score`: scores of the institution's own records under a published model, file or one subject.

    fedscore institution score --home HOME --model model.json --data records.csv --out scored.parquet
    fedscore institution score --home HOME --model model.json --data records.csv --subject - < identifier
    fedscore institution score --home HOME --model model.json --data records.csv --subject-file identifier.txt

`--subject P-0017` works too, but whatever is on a command line is in the list of processes and in the shell's history,
for every user of the machine to read.

Nothing leaves the machine. The model must carry the signature of the coordinator that this institution pinned at
enrolment, every member's approval of its plan, and the hash of this institution's catalogue.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clients.institution.home import InstitutionHome
from clients.institution.scoring import open_scorer, score_file, score_subject
from clients.institution.scoring_view import show_file, show_subject
from federation.errors import ConfigurationError, FederationError
from federation.lookup.reading import read_subject
from federation.runtime.outputs import refuse_existing
from federation.scorecard import Scaling, Scorer
from protocols.errors import ProtocolError

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="Scores of this institution's own records, 350 to 950."
)


@app.command()
def score(
    model: Annotated[Path, typer.Option(help="The published model, model.json.")],
    home: Annotated[Path, typer.Option(help="The institution's home.")] = Path(),
    data: Annotated[Path | None, typer.Option(help="Records: CSV, CSV.gz, Parquet. Default: the home's file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the scored file goes: .parquet or .csv.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="With --out: replace a file that is there.")] = False,
    subject: Annotated[
        str | None,
        typer.Option(help="Score this one subject; - reads the identifier from standard input, unseen by others."),
    ] = None,
    subject_file: Annotated[Path | None, typer.Option(help="A file that holds the identifier of the subject.")] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="The published evaluation. Default: evaluation.json beside the model, if there.")
    ] = None,
    scaling: Annotated[Path | None, typer.Option(help="The federation's scaling, JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Score a file (--out) or one subject (--subject, --subject-file).

    Exit code 0 also where the subject is not found or known too little: the outcome says no_hit or thin_file.
    Exit code 1: the model, the catalogue or the records are not what they must be; nothing is scored.
    With the evaluation, reasons are measured from the average subject; without it, from the neutral point.
    """
    if [out, subject, subject_file].count(None) != 2:
        raise typer.BadParameter("one of --out, --subject and --subject-file is needed")
    errors = Console(stderr=True)
    try:
        with errors.status("scoring", spinner="dots"):
            if out is not None:
                refuse_existing(out, overwrite=overwrite)
            opened = InstitutionHome.open(home)
            scorer = open_scorer(opened, model, evaluation, read_scaling(scaling))
            records = data or opened.data
            if out is not None:
                report = _file(opened, scorer, records, out, as_json)
            else:
                report = _subject(opened, scorer, records, read_subject(subject, subject_file), as_json)
    except (FederationError, ProtocolError) as error:
        errors.print(f"[red]score:[/red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from error
    report()


def _file(home: InstitutionHome, scorer: Scorer, data: Path, out: Path, as_json: bool) -> Callable[[], None]:
    started = time.perf_counter()
    result = score_file(home, scorer, data, out)
    seconds = time.perf_counter() - started
    if as_json:
        return partial(typer.echo, json.dumps(result.to_json() | {"seconds": round(seconds, 3)}))
    return partial(show_file, result, seconds, Console())


def _subject(home: InstitutionHome, scorer: Scorer, data: Path, subject: str, as_json: bool) -> Callable[[], None]:
    result = score_subject(home, scorer, data, subject)
    if as_json:
        return partial(typer.echo, json.dumps(result.to_json() | {"texts": dict(scorer.catalogue.reasons)}))
    return partial(show_subject, result, scorer.catalogue, Console())


def read_scaling(path: Path | None) -> Scaling:
    """The scaling in a JSON file. Raises ConfigurationError for a file that cannot be read or does not hold one."""
    if path is None:
        return Scaling()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Scaling.from_json(value)
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(path), got="an unreadable file", expected="a scaling in JSON") from error
