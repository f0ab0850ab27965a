"""`fedscore institution publish`: take part in an epoch of the private score query, until it is open.

    fedscore institution publish --home HOME --model model.json

Whatever phase the epoch is in, this does what the institution owes: its share of the key, its customers' pseudonyms,
fresh secrets, the check of the layout, its table, its audit if it is named an auditor. Killed at any moment, it goes on
where it was when it is started again. The records are those of the moment in which the epoch began for this
institution; changes of the data file wait for the next epoch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.channel import RelayClient
from clients.institution.lookup.concluding import keep_model
from clients.institution.lookup.customers import model_file, read_customers, read_model
from clients.institution.lookup.epoch_record import RELAY, EpochRecord
from clients.institution.lookup.part import Part
from clients.institution.lookup.publishing import Published, wait_for_epoch
from clients.institution.lookup.publishing import publish as take_part
from clients.institution.lookup.roster_approval import RosterNotApproved
from clients.institution.lookup.snapshot import Snapshot
from federation.lookup.settings import ScoringSettings
from federation.runtime.progress import showing
from federation.runtime.rpc import Unreachable

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Taking part in an epoch.")
NOT_OPEN = 3


@app.command()
def publish(
    home: Home,
    model: Annotated[Path | None, typer.Option(help="The published model, model.json. Default: lookup.model.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until the epoch is open.")] = True,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to stay.")] = 24 * 3600.0,
    approve: Annotated[str, typer.Option(help="The roster's fingerprint, as all members compared it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take part in the current epoch, or wait for one, until it is open.

    Exit code 0: the epoch is open (with --no-wait: all that is owed now is said). 1: a check failed, or something could
    not be read; nothing was signed that should not be. 3: not open within the timeout, or with --no-wait no coordinator
    that answers; the text names who holds it up.
    That may be this institution: under a roster that nobody here approved, nothing is made and nothing signed.
    """
    opened = InstitutionHome.open(home)
    console = Console(stderr=True)
    say, started = _Once(console), time.monotonic()
    try:
        with RelayClient(opened) as relay, showing(console) as report:
            if wait:
                wait_for_epoch(relay, timeout, say)
            record = EpochRecord(opened.coordinator_key, opened.name, opened.signing_key.public)
            part = Part(opened, relay, record, partial(_read, model, say), report=report)
            left = max(0.0, timeout - (time.monotonic() - started))
            waits = lambda reason: _unapproved(reason, console)  # noqa: E731
            published = take_part(part, wait=wait, timeout=left, approve=approve, on_unapproved=waits, on_waiting=say)
    except Unreachable as error:
        typer.echo(f"fedscore: {type(error).__name__}: {error}", err=True)
        raise typer.Exit(NOT_OPEN) from error
    if as_json:
        typer.echo(json.dumps({"institution": opened.name} | published.to_json()))
    else:
        _say(opened.name, published)
    if published.unapproved is not None or (wait and not published.open):
        raise typer.Exit(NOT_OPEN)


def _read(model: Path | None, say: Callable[[str], None], part: Part) -> Snapshot:
    """Model and records, when the epoch first needs them; the model is kept for those who ask."""
    source = model_file(part.home, model)
    published = read_model(part.home, source, part.record.body("propose", RELAY)["model"])
    keep_model(part, published, source)
    return read_customers(part.home, published, ScoringSettings.of(part.roster.parameters).scaling, say)


@dataclass
class _Once:
    """Says on `console` what it hears, unless it is what it heard last: a night's wait is a few lines."""

    console: Console
    last: str = ""

    def __call__(self, what: str) -> None:
        if what != self.last:
            self.last = what
            self.console.print(what, markup=False, highlight=False, soft_wrap=True)


def _unapproved(reason: RosterNotApproved, console: Console) -> None:
    console.print(f"The roster {reason.fingerprint} is not approved here:", markup=False, soft_wrap=True)
    for change in reason.changes:
        console.print(f"  {change}", markup=False)
    console.print(
        "Compare it with other members; `fedscore institution lookup roster` shows it, `approve` approves it."
    )


def _say(name: str, published: Published) -> None:
    typer.echo(f"{name}: epoch {published.counter} is {published.phase or 'not proposed yet'}")
    for party, step in published.waiting:
        typer.echo(f"  waiting for {party}: {step}")
