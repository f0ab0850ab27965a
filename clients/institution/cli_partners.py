"""`fedscore institution partners|accept-partner|withdraw-partner`: whose share of the noise is counted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clients.institution.home import InstitutionHome

Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The institution's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Fingerprint = Annotated[list[str], typer.Argument(help="As that institution read it out, not the coordinator.")]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Whom this institution shares noise with.")


@app.command()
def partners(home: Home, as_json: AsJson = False) -> None:
    """List the keys accepted, and the members of proposed plans that are not."""
    from clients.institution.partners import partners as accepted_at
    from clients.institution.partners import strangers
    from clients.institution.plan_store import PlanStore

    opened = InstitutionHome.open(home)
    accepted, unknown = accepted_at(opened.path), dict[str, str]()
    for stored in PlanStore.open(opened.database_url).plans():
        unknown |= strangers(stored.plan, opened.name, accepted)
    if as_json:
        typer.echo(json.dumps({"accepted": sorted(accepted), "unknown": unknown}, indent=2))
        return
    for fingerprint in sorted(accepted):
        typer.echo(f"accepted  {' '.join(fingerprint[at : at + 4] for at in range(0, 32, 4))}")
    for name, fingerprint in sorted(unknown.items()):
        typer.echo(f"unknown   {fingerprint}  {name}, as the coordinator has it: compare it with {name} itself")


@app.command()
def accept_partner(home: Home, fingerprints: Fingerprint) -> None:
    """Count on institutions with these keys: share noise with them where a plan asks for it."""
    from clients.institution.partners import accept_partner as accept

    opened = InstitutionHome.open(home)
    for fingerprint in fingerprints:
        accept(opened.path, fingerprint)
    typer.echo(f"{opened.name} shares noise with {len(fingerprints)} more")


@app.command()
def withdraw_partner(home: Home, fingerprints: Fingerprint) -> None:
    """Count on them no more: every round that they share noise in is refused."""
    from clients.institution.partners import withdraw_partner as withdraw

    opened = InstitutionHome.open(home)
    for fingerprint in fingerprints:
        withdraw(opened.path, fingerprint)
    typer.echo(f"{opened.name} shares noise with {len(fingerprints)} less")
