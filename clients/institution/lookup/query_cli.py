"""`fedscore institution query`: the joint score of one subject, or of a file of subjects, without saying whose it is.

    fedscore institution query - --purpose credit-application --receipt receipt.json --home HOME < identifier
    fedscore institution query --batch questions.csv --out answers.csv --home HOME

`query P-0017` works too, but whatever is on a command line is in the list of processes and in the shell's history. A
batch is a CSV file with the columns `subject` and `purpose`, and `receipt` where questions need consent: the file that
the person's wallet wrote, relative to the batch. The answers are written beside the questions, in order, to a file that
only its owner can read.
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
from clients.institution.lookup.consent_store import used
from clients.institution.lookup.querier import PATIENCE_S, Querier
from clients.institution.lookup.query_view import show
from clients.institution.lookup.questions import ASKED, RECEIPT, Answer, Question
from federation.errors import ConfigurationError, FederationError
from federation.lookup.reading import read_document, read_subject
from federation.runtime.outputs import must_be_new
from federation.runtime.private_files import create_private
from protocols.consent.refusal import ConsentRefused, Rule

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Asking the federation.")
UNAVAILABLE, NO_CONSENT = 3, 4
_DOCUMENT = "a consent document"
FIELDS = ("outcome", "score", "band", "members", "party", "reason", "inquiry", "leaf")


@app.command()
def query(
    home: Home,
    subject: Annotated[
        str | None, typer.Argument(help="The subject's identifier; - reads it from standard input.")
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="Why you ask: one of the purposes the members agreed on.")] = None,
    receipt: Annotated[Path | None, typer.Option(help="The person's consent document; it serves one question.")] = None,
    batch: Annotated[Path | None, typer.Option(help="A CSV file: subject, purpose \\[, receipt: a file].")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the answers to --batch go: a new CSV file.")] = None,
    model: Annotated[Path | None, typer.Option(help="The published model. Default: the one kept by publish.")] = None,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds to wait an outage out.")] = PATIENCE_S,
    as_json: AsJson = False,
) -> None:
    """Ask for the joint score of one subject, or of all subjects in a file.

    Exit code 0: there is an answer, and no_hit and thin_file are answers. 3: unavailable (in a batch: at least once);
    the answer says who and why. 1: the question could not be put: identifier, purpose, file or home are not in order.
    4: it is not covered by consent; what came out names the rule, and nothing has left this machine.
    """
    if (subject is None) == (batch is None) or (batch is None) != (out is None):
        raise typer.BadParameter("one of SUBJECT and --batch with --out is needed")
    if batch is None and purpose is None:
        raise typer.BadParameter("--purpose is needed")
    opened = InstitutionHome.open(home)
    try:
        with Querier.open(opened, model=model, patience=patience) as querier:
            if batch is not None and out is not None:
                answered = _file(querier, batch, out, Console(stderr=True), as_json)
            else:
                question = Question(
                    read_subject(subject), purpose or "", b"" if receipt is None else read_document(receipt, _DOCUMENT)
                )
                answered = _one(querier, question, as_json)
    except ConsentRefused as refused:
        facts = {"refused": refused.rule, "got": refused.got, "expected": refused.expected}
        hint = " (--receipt FILE)" if refused.rule is Rule.MISSING else ""
        typer.echo(json.dumps(facts) if as_json else f"not asked: {refused}{hint}", err=not as_json)
        raise typer.Exit(NO_CONSENT) from refused
    if not answered:
        raise typer.Exit(UNAVAILABLE)


def _one(querier: Querier, question: Question, as_json: bool) -> bool:
    """Whether there is an answer, which is shown."""
    with Console(stderr=True).status("asking all members: an answer takes seconds, an outage most of a minute"):
        answer = querier.ask(question.subject, question.purpose, question.receipt)
    if as_json:
        typer.echo(json.dumps(answer.to_json()))
    else:
        show(answer, Console())
    return answer.available


def _file(querier: Querier, batch: Path, out: Path, console: Console, as_json: bool = False) -> bool:
    """Answers to a file of questions, written as they come; whether there is one to each."""
    questions = read_questions(batch, querier.check)
    must_be_new(out)
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
    typer.echo(json.dumps(counts) if as_json else f"{out}: {', '.join(f'{n} {k}' for k, n in counts.items())}")
    return "unavailable" not in counts


def read_questions(file: Path, check: Callable[[Question], object]) -> list[Question]:
    """The questions in a CSV file, all of which pass `check`: nothing is asked for a file that is wrong further down.

    Raises ConfigurationError or ConsentRefused naming file and line; what stands there in the place of an identifier
    is not quoted.
    """
    questions: list[Question] = []
    shown: set[bytes] = set()
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened)
            if sorted(set(reader.fieldnames or ()) | {RECEIPT}) != sorted((*ASKED, RECEIPT)):
                expected = f"{','.join(ASKED)}, and {RECEIPT} where consent is needed"
                raise ConfigurationError(f"{file}: line 1", got="other columns", expected=expected)
            for row in reader:
                line = f"{file}: line {reader.line_num}"
                question = _question(row, line, file.parent)
                _passes(question, check, line, shown)
                questions.append(question)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(str(file), got=type(error).__name__, expected="a CSV file") from error
    if not questions:
        raise ConfigurationError(str(file), got="no question", expected="at least one line below the header")
    return questions


def _question(row: dict[str, str], line: str, folder: Path) -> Question:
    subject, purpose, receipt = (row.get(name) or "" for name in (*ASKED, RECEIPT))
    if None in row or not subject or not purpose:
        raise ConfigurationError(line, got="no subject or purpose, or more", expected="both, and no more")
    return Question(subject, purpose, read_document(folder / receipt, _DOCUMENT) if receipt else b"")


def _passes(question: Question, check: Callable[[Question], object], line: str, shown: set[bytes]) -> None:
    """Raises ConfigurationError or ConsentRefused, with the line, for what `check` refuses or a second use."""
    try:
        check(question)
        if question.receipt in shown:
            raise used()
    except ConsentRefused as error:
        raise ConsentRefused(error.rule, got=f"{line}: {error.got}", expected=error.expected) from error
    except FederationError as error:
        raise ConfigurationError(f"{line}: {error.where}", got=error.got, expected=error.expected) from error
    shown |= {question.receipt} - {b""}


def _row(answer: Answer) -> dict[str, Any]:
    told = answer.to_json()
    question = {"subject": answer.question.subject, "purpose": answer.question.purpose}
    return question | {name: told.get(name) for name in FIELDS}
