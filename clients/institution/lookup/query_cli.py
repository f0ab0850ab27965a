"""`fedscore institution query`: the joint score of one subject, or of a file of subjects, without saying whose it is.

    fedscore institution query - --purpose credit-application --home HOME < identifier
    fedscore institution query --batch questions.csv --out answers.csv --home HOME

`query P-0017` works too, but whatever is on a command line is in the list of processes and in the shell's history. A
batch is a CSV file with the columns `subject` and `purpose`; the answers are written beside the questions, in order, to
a file that only its owner can read.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.querier import PATIENCE_S, Querier
from clients.institution.lookup.query_view import show
from clients.institution.lookup.questions import Answer, Question
from federation.errors import ConfigurationError, FederationError
from federation.lookup.reading import read_subject
from federation.runtime.private_files import create_private

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Asking the federation.")
UNAVAILABLE = 3
ASKED = ("subject", "purpose")
FIELDS = ("outcome", "score", "band", "members", "party", "reason", "leaf")


@app.command()
def query(
    home: Home,
    subject: Annotated[
        str | None, typer.Argument(help="The subject's identifier; - reads it from standard input.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="Why you ask: one of the purposes the members agreed on.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="The subject's receipt; it serves one question.")] = None,
    batch: Annotated[Path | None, typer.Option(help="A CSV file with the columns subject and purpose.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the answers to --batch go: a new CSV file.")] = None,
    model: Annotated[Path | None, typer.Option(help="The published model. Default: the one kept by publish.")] = None,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds to wait an outage out.")] = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Ask for the joint score of one subject, or of all subjects in a file.

    Exit code 0: there is an answer, and no_hit and thin_file are answers. 3: unavailable (in a batch: at least once);
    the answer says who and why. 1: the question could not be put: identifier, purpose, file or home are not in order.
    """
    if (subject is None) == (batch is None) or (batch is None) != (out is None):
        raise typer.BadParameter("one of SUBJECT and --batch with --out is needed")
    opened = InstitutionHome.open(home)
    if batch is not None and out is not None:
        with Querier.open(opened, model=model, patience=patience) as querier:
            counts = _file(querier, batch, out, Console(stderr=True))
        typer.echo(json.dumps(counts) if as_json else f"{out}: {', '.join(f'{n} {k}' for k, n in counts.items())}")
        failed = counts.get("unavailable", 0) > 0
    else:
        if purpose is None:
            raise typer.BadParameter("--purpose is needed")
        asked = read_subject(subject)
        with Querier.open(opened, model=model, patience=patience) as querier:
            answer = querier.ask(asked, purpose, _receipt(receipt))
        if as_json:
            typer.echo(json.dumps(answer.to_json()))
        else:
            show(answer, Console())
        failed = not answer.available
    if failed:
        raise typer.Exit(UNAVAILABLE)


def _receipt(file: Path | None) -> bytes:
    try:
        return b"" if file is None else file.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected="a receipt") from error


def _file(querier: Querier, batch: Path, out: Path, console: Console) -> dict[str, int]:
    """Answers to a file of questions, written as they come; how many of each outcome."""
    questions = read_questions(batch, querier.check)
    if out.exists():
        raise ConfigurationError(str(out), got="something that exists", expected="a new file: nothing is overwritten")
    create_private(out)
    counts: dict[str, int] = {}
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        out.open("w", newline="", encoding="utf-8") as file,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        os.fchmod(file.fileno(), 0o600)
        writer = csv.DictWriter(file, (*ASKED, *FIELDS))
        writer.writeheader()
        for answer in progress.track(querier.ask_many(questions), total=len(questions)):
            writer.writerow(_row(answer))
            counts[answer.outcome.kind] = counts.get(answer.outcome.kind, 0) + 1
    return counts


def read_questions(file: Path, check: Callable[[Question], object]) -> list[Question]:
    """The questions in a CSV file, all of which pass `check`: nothing is asked for a file that is wrong further down.

    Raises ConfigurationError naming file and line; what stands there in the place of an identifier is not quoted.
    """
    questions = []
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened)
            if sorted(reader.fieldnames or ()) != sorted(ASKED):
                raise ConfigurationError(f"{file}: line 1", got="other columns", expected=f"{','.join(ASKED)}")
            for row in reader:
                question, line = Question(row["subject"] or "", row["purpose"] or ""), f"{file}: line {reader.line_num}"
                if None in row or not question.subject or not question.purpose:
                    raise ConfigurationError(line, got="no subject or purpose, or more", expected="both, and no more")
                try:
                    check(question)
                except FederationError as error:
                    where = f"{line}: {error.where}"
                    raise ConfigurationError(where, got=error.got, expected=error.expected) from error
                questions.append(question)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(str(file), got=type(error).__name__, expected="a CSV file") from error
    if not questions:
        raise ConfigurationError(str(file), got="no question", expected="at least one line below the header")
    return questions


def _row(answer: Answer) -> dict[str, Any]:
    told = answer.to_json()
    question = {"subject": answer.question.subject, "purpose": answer.question.purpose}
    return question | {name: told.get(name) for name in FIELDS}
