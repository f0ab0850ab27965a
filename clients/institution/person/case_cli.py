"""`fedscore institution subject dispute|cases|correct|erase|...`: what becomes of a request, step by step."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.person.case import Case
from clients.institution.person.desk import Desk
from clients.institution.person.inquiries import inquirers_of, made_here
from clients.institution.person.notifying import delivered, send_notices
from clients.institution.person.remains import kept_after_erasure, models_of, open_epochs
from clients.institution.person.view import show_cases, show_erased
from federation.errors import ConfigurationError
from federation.jurisdiction import Request
from federation.lookup.reading import read_subject
from federation.oversight.cases import Event

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Cases of people.")
Subject = Annotated[str, typer.Argument(help="The person's identifier; - reads it from standard input.")]
CaseName = Annotated[str, typer.Argument(help="The case, or enough of it to be the only one.")]
Of = Annotated[str, typer.Option("--case", help="The case, or enough of it to be the only one.")]
Why = Annotated[str, typer.Option(help="The reason, as the person will read it.")]
RESULTS = {"reject": Event.REJECTED, "answer": Event.ANSWERED, "withdraw": Event.WITHDRAWN}


@app.command()
def dispute(
    subject: Subject,
    home: Home,
    statement: Annotated[str, typer.Option(help="What the person says, in their words.")],
    about: Annotated[list[str] | None, typer.Option(help="A column that is said to be wrong; repeat.")] = None,
    request: Annotated[Request, typer.Option(help="What is asked for.")] = Request.DISPUTE,
    as_json: AsJson = False,
) -> None:
    """Open a case: the jurisdiction's clock starts today."""
    desk = _desk(home)
    case = desk.open_case(read_subject(subject), request, tuple(about or ()), statement, _today(desk))
    _say(desk, case, as_json)


@app.command()
def cases(
    home: Home,
    subject: Annotated[str | None, typer.Argument(help="Only this person's; - reads the identifier.")] = None,
    late: Annotated[bool, typer.Option("--late", help="Only those in which something is overdue.")] = False,
    as_json: AsJson = False,
) -> None:
    """Cases with what is owed in each, and by when. Exit code 3 with --late where there is any."""
    desk = _desk(home)
    found = desk.cases(None if subject is None else read_subject(subject))
    if late:
        found = tuple(case for case in found if any(each.late(_today(desk)) for each in case.owed(desk.profile)))
    if as_json:
        typer.echo(json.dumps([case.to_json(desk.profile, _today(desk)) for case in found]))
    else:
        show_cases(found, desk.profile, _today(desk), Console())
    if late and found:
        raise typer.Exit(3)


@app.command()
def correct(
    subject: Subject,
    home: Home,
    case: Of,
    value: Annotated[list[str], typer.Option("--set", help="COLUMN=VALUE as a data file has it; COLUMN= for missing.")],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Correct the record. It counts from the next epoch on: an open one stays as all members signed it."""
    desk = _desk(home)
    done = desk.correct(case, read_subject(subject), _values(value), why, _today(desk))
    _say(desk, done, as_json)


@app.command()
def erase(
    subject: Subject,
    home: Home,
    why: Why,
    case: Annotated[str, typer.Option("--case", help="The case; without one an erasure case is opened.")] = "",
    absent: Annotated[
        bool, typer.Option("--absent", help="The present file has no record of the person; another one may.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase the record from every later reading, for good, and say what stays, why, and until when."""
    desk, named = _desk(home), read_subject(subject)
    today = _today(desk)
    if not absent:
        desk.require_record(named)
    name = case or desk.open_case(named, Request.ERASURE, (), "", today).id
    done = desk.erase(name, named, why, today, absent=absent)
    models = models_of(desk.home, datetime.now(UTC))
    kept = kept_after_erasure(desk.home, desk.profile, made_here(desk.home, named), today)
    if as_json:
        answer = {"models": models.to_json(), "kept": [each.to_json() for each in kept]}
        typer.echo(json.dumps(_facts(desk, done) | answer))
        return
    _say(desk, done, as_json)
    show_erased(models, kept, Console())


@app.command()
def decide(
    case: CaseName,
    home: Home,
    result: Annotated[str, typer.Option(help=f"One of {', '.join(RESULTS)}.")],
    why: Why,
    as_json: AsJson = False,
) -> None:
    """Decide a case in which nothing is corrected or erased."""
    if result not in RESULTS:
        raise ConfigurationError("--result", got=result, expected=f"one of {', '.join(RESULTS)}")
    desk = _desk(home)
    _say(desk, desk.decide(case, RESULTS[result], why, _today(desk)), as_json)


@app.command()
def notify(
    subject: Subject,
    home: Home,
    case: Of,
    inquirers: Annotated[Path, typer.Option(help="The person's own file of who inquired, from her wallet.")],
    as_json: AsJson = False,
) -> None:
    """Write to those who inquired before a correction or an erasure, sealed, as the person asks by giving her file."""
    desk, named = _desk(home), read_subject(subject)
    sent = send_notices(desk, case, named, inquirers_of(desk.home, named, inquirers), _today(desk))
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in sent]))
        return
    for each in sent:
        said = (
            f"{len(each.leaves)} inquir{'y' if len(each.leaves) == 1 else 'ies'}" if each.leaves else "an empty letter"
        )
        typer.echo(f"{each.recipient}: {'NOT CARRIED, its mailbox is full: ' if each.full else ''}{said}")


@app.command()
def delivery(case: CaseName, home: Home, as_json: AsJson = False) -> None:
    """Which members have acknowledged the notices of a case, each by its own signature."""
    found = delivered(_desk(home), case)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for name, there in found.items():
        typer.echo(f"{name}: {'acknowledged' if there else 'not acknowledged yet'}")


@app.command("more-time")
def more_time(case: CaseName, home: Home, why: Why, as_json: AsJson = False) -> None:
    """Put an answer off, once, as far as the jurisdiction allows."""
    desk = _desk(home)
    _say(desk, desk.more_time(case, why, _today(desk)), as_json)


@app.command("furnisher-told")
def furnisher_told(case: CaseName, home: Home, as_json: AsJson = False) -> None:
    """Note that whoever gave the data was told of the dispute."""
    desk = _desk(home)
    _say(desk, desk.furnisher_told(case, _today(desk)), as_json)


@app.command()
def told(case: CaseName, home: Home, as_json: AsJson = False) -> None:
    """Note that the person was told the result: the case is closed."""
    desk = _desk(home)
    _say(desk, desk.told(case, _today(desk)), as_json)


def _values(given: list[str]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for each in given:
        name, mark, text = each.partition("=")
        if not mark or name in found:
            raise ConfigurationError("--set", got="another form", expected="COLUMN=VALUE, each column once")
        found[name] = text or None
    return found


def _desk(home: object) -> Desk:
    return Desk.open(InstitutionHome.open(str(home)))


def _today(desk: Desk) -> date:
    return desk.day(time.time())


def _facts(desk: Desk, case: Case) -> dict[str, object]:
    told = case.to_json(desk.profile, _today(desk))
    if case.result not in (Event.CORRECTED, Event.ERASED):
        return told
    return told | {"counts": "from the next epoch", "after_epoch": case.after_epoch}


def _say(desk: Desk, case: Case, as_json: bool) -> None:
    facts = _facts(desk, case)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    show_cases((case,), desk.profile, _today(desk), Console())
    if "counts" in facts:
        typer.echo("It counts from the next epoch on, and in training from the node's next start.")
        for epoch in open_epochs(desk.home):
            closes = datetime.fromtimestamp(epoch.closes_at, UTC)
            typer.echo(f"Epoch {epoch.counter} stays as all members signed it; it closes {closes:%Y-%m-%d %H:%M} UTC.")
