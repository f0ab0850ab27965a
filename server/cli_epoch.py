"""`fedscore coordinator epoch open|close|status`: the epochs of private score queries, at the coordinator's machine."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from federation.errors import ConfigurationError
from server.cli_members import AsJson, Home
from server.home import CoordinatorHome

if TYPE_CHECKING:
    from server.lookup.desk import Desk
    from server.lookup.record_store import EpochRecord

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Epochs of private score queries."
)
_WEEK_S = 7 * 86_400
NO_CONSENT = "no identity authority is named: this federation asks WITHOUT the persons' consent"


@app.command("open")
def open_(
    home: Home,
    run: Annotated[str, typer.Option(help="The run whose model the records are evidence of: see `status`.")],
    engine: Annotated[str, typer.Option(help="bfv, lwe or mirror.")] = "bfv",
    quorum: Annotated[int, typer.Option(min=1, help="Auditors: one more than may collude with the pool.")] = 2,
    colluding: Annotated[int, typer.Option(min=0, help="Members that may pool what they learn with a querier.")] = 0,
    cadence: Annotated[int, typer.Option(min=1, help="Seconds an epoch lasts, and until the next may open.")] = _WEEK_S,
    daily_tickets: Annotated[int, typer.Option(min=1, help="Tickets a querier may ask for in a day.")] = 1000,
    purpose: Annotated[
        list[str] | None, typer.Option(help="A purpose a query may state; repeat \\[credit-application].")
    ] = None,
    identifiers: Annotated[
        str, typer.Option(help="How all members write identifiers, as institution.toml says: opaque, or a scheme.")
    ] = "opaque",
    oversight: Annotated[
        Path | None, typer.Option(help="oversight.json of the holders of the oversight key: persons can ask who asked.")
    ] = None,
    auditor: Annotated[list[str] | None, typer.Option(help="Who audits; repeat \\[taking turns].")] = None,
    customers: Annotated[
        list[str] | None, typer.Option(help="NAME=COUNT, attested \\[twice the nominal records].")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is open, showing who is waited for.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open the next epoch with the admitted members. Not before the cadence of the last one: no emergency epochs."""
    from federation.catalogue import load_catalogue
    from federation.lookup.identifiers import scheme
    from federation.lookup.settings import check_purposes
    from protocols.lookup.parameters import Parameters
    from server.lookup.desk import desk, watch
    from server.lookup.proposals import open_epoch

    opened = CoordinatorHome.open(home)
    parameters = Parameters(
        engine=engine,
        quorum=quorum,
        colluding_queriers=colluding,
        cadence_s=cadence,
        daily_tickets=daily_tickets,
        purposes=tuple(purpose or ("credit-application",)),
        identifiers=scheme(identifiers).name,
    )
    check_purposes(parameters.purposes, load_catalogue(opened.catalogue))
    with desk(opened) as at:
        terms = at.terms(parameters, run, oversight=_oversight(opened, oversight), auditors=tuple(auditor or ()))
        members = at.candidates(_counts(customers or []))
        record = open_epoch(at.record, opened.signing_key, members, terms, time.time(), at.log_step)
        if wait:
            record = watch(at, record.counter, Console(stderr=True))
        _tell(at, record, as_json)


@app.command()
def close(home: Home, as_json: AsJson = False) -> None:
    """Close the current epoch: no tickets and queries any more, then reconciliation, hand-overs and erasure."""
    from server.lookup.desk import desk
    from server.lookup.proposals import close_epoch

    opened = CoordinatorHome.open(home)
    with desk(opened) as at:
        _tell(at, close_epoch(at.record, opened.signing_key, "operator", at.log_step), as_json)


@app.command()
def status(home: Home, as_json: AsJson = False) -> None:
    """Where the current epoch stands, and who is waited for."""
    from server.lookup.desk import desk

    with desk(CoordinatorHome.open(home)) as at:
        _tell(at, at.record.current(), as_json)


def _tell(at: Desk, record: EpochRecord | None, as_json: bool) -> None:
    from server.lookup.desk import clauses

    view = at.view(record)
    if as_json:
        typer.echo(json.dumps(view, indent=2))
        return
    typer.echo("no epoch yet: `fedscore coordinator epoch open`" if record is None else "\n  ".join(clauses(view)))
    if "roster" in view and view["phase"] != "closed":
        typer.echo(f"roster {view['roster']}: members compare this before they approve")
    if "consent" in view:
        by = ", ".join(view["consent"])
        typer.echo(f"every question needs consent; persons' keys are stated by {by}" if by else NO_CONSENT)
    if "epoch_id" in view:
        typer.echo(f"{view['epoch_id'][:16]}: {view['subjects']} subjects in {view['rows']} rows, {view['engine']}")
        verb = {"open": "open", "closing": "was to be open", "closed": "was to be open"}.get(
            view["phase"], "to be open"
        )
        typer.echo(f"{verb} from {view['opens_at']} to {view['closes_at']}")
    if view["phase"] == "closed":
        typer.echo("closed for good: no query is served, and every party has put on record that its part is erased")
    if view["next"]:
        typer.echo(f"the next may open at {view['next']}")


def _oversight(home: CoordinatorHome, document: Path | None) -> str:
    """Y, hexadecimal, as the holders' document proves it; none where none is named."""
    if document is None:
        return ""
    from federation.inquiries.oversight_file import read_oversight

    key = read_oversight(document, log=home.log_key.public.key, coordinator=home.signing_key.public)
    return key.public.hex()


def _counts(said: list[str]) -> dict[str, int]:
    counts = {}
    for entry in said:
        name, _, count = entry.partition("=")
        if not name or not count.isdigit():
            raise ConfigurationError("--customers", got=entry[:80], expected="NAME=COUNT")
        counts[name] = int(count)
    return counts
