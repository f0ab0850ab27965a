"""`fedscore institution subject`: what a person may ask of this institution, at its desk.

    fedscore institution subject show - --home HOME < identifier
    fedscore institution subject dispute - --about age --statement "I am 40" --home HOME < identifier

An identifier on a command line is in the list of processes and in the shell's history; `-` reads it from standard
input. Nothing here leaves the machine but signed steps of cases, which name nobody, and sealed notices.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.person import case_cli
from clients.institution.person.bundle import bundle
from clients.institution.person.desk import Desk
from clients.institution.person.inquiries import inquirers_of, made_here
from clients.institution.person.own_record import own_record, own_score
from clients.institution.person.retention import sweep as swept
from clients.institution.person.view import show_due, show_inquiries, show_own
from federation.lookup.reading import read_subject
from federation.runtime.private_files import write_private

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="A person's record, score, inquirers; disputes, corrections, erasure.",
)
Subject = Annotated[str, typer.Argument(help="The person's identifier; - reads it from standard input.")]
Model = Annotated[Path | None, typer.Option(help="The published model. Default: lookup.model of institution.toml.")]
Evaluation = Annotated[Path | None, typer.Option(help="The published evaluation. Default: beside the model.")]
Inquirers = Annotated[Path | None, typer.Option(help="The person's own file of who inquired, from her wallet.")]


@app.command()
def show(
    subject: Subject, home: Home, model: Model = None, evaluation: Evaluation = None, as_json: AsJson = False
) -> None:
    """The record as it is held, score, band, five parts, reasons, inquiries of this institution, cases."""
    desk, named = Desk.open(InstitutionHome.open(home)), read_subject(subject)
    record, score = own_record(desk, named), own_score(desk, named, model, evaluation)
    inquiries, cases, today = made_here(desk.home, named), desk.cases(named), desk.day(_now().timestamp())
    if as_json:
        told: dict[str, Any] = {
            "record": record.to_json(),
            "score": None if (said := score.to_json()) is None else said | {"texts": dict(desk.catalogue.reasons)},
            "inquiries_here": [each.to_json() for each in inquiries],
            "cases": [case.to_json(desk.profile, today) for case in cases],
        }
        typer.echo(json.dumps(told))
        return
    show_own(desk, record, score, inquiries, cases, today, Console())


@app.command()
def inquiries(subject: Subject, home: Home, inquirers: Inquirers = None, as_json: AsJson = False) -> None:
    """Who inquired about the person: this institution, and with the person's own file all members."""
    opened, named = InstitutionHome.open(home), read_subject(subject)
    found = {each.leaf: each for each in made_here(opened, named)}
    found |= {
        each.leaf: each
        for each in (inquirers_of(opened, named, inquirers) if inquirers else ())
        if each.leaf not in found
    }
    listed = sorted(found.values(), key=lambda each: each.issued_at)
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in listed]))
    else:
        show_inquiries(listed, Console())


@app.command()
def export(
    subject: Subject,
    home: Home,
    out: Annotated[Path, typer.Option(help="A new file, readable by its owner alone.")],
    model: Model = None,
    evaluation: Evaluation = None,
    inquirers: Inquirers = None,
) -> None:
    """Everything that is held about the person, as one JSON file: the right of access."""
    desk, named = Desk.open(InstitutionHome.open(home)), read_subject(subject)
    of_all = inquirers_of(desk.home, named, inquirers) if inquirers else ()
    told = bundle(desk, named, _now(), model=model, evaluation=evaluation, inquirers=of_all)
    write_private(out, json.dumps(told, indent=2, ensure_ascii=False).encode())
    typer.echo(f"{out}: {len(told['record']['items'])} values, {len(told['inquiries_here'])} inquiries, "
               f"{len(told['cases'])} cases")  # fmt: skip


@app.command()
def sweep(
    home: Home,
    do: Annotated[bool, typer.Option("--do", help="Erase what is due; without it, only say so.")] = False,
    as_json: AsJson = False,
) -> None:
    """What has been kept as long as the jurisdiction profile says; --do ends the keeping."""
    desk = Desk.open(InstitutionHome.open(home))
    due = swept(desk, desk.day(_now().timestamp()), do=do)
    if as_json:
        typer.echo(json.dumps([each.to_json() for each in due]))
    else:
        show_due(due, Console())


def _now() -> datetime:
    return datetime.now(UTC)


app.registered_commands += case_cli.app.registered_commands
