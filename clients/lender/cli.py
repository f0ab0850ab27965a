"""`fedscore lender`: scores of your applicants from a model that is not yours, without showing it the applicants.

fedscore lender init --home HOME --name acme --catalogue synthetic
fedscore lender join --home HOME acme.invitation.json --fingerprint "c6a1 90f2 ..."
fedscore lender terms --home HOME --accept
fedscore lender score applicants.csv --home HOME --out scored.parquet
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.lender.home import LenderHome
from federation.errors import ConfigurationError
from federation.runtime.private_files import write_public

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Scores of your applicants from a model that is not yours, without showing it the applicants.",
)
Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The lender's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def init(
    home: Home,
    name: Annotated[str, typer.Option(help="This lender's name: a-z, 0-9 and hyphens.")],
    catalogue: Annotated[str, typer.Option(help="The owner's data standard: a shipped name or a TOML file.")],
    as_json: AsJson = False,
) -> None:
    """Make a home with a key that never leaves it, and an application to hand to the owner of the model."""
    opened = LenderHome.create(home, name, catalogue)
    application = opened.path / f"{name}.csr"
    write_public(application, opened.request)
    if as_json:
        typer.echo(json.dumps({"application": str(application), "fingerprint": opened.fingerprint}, indent=2))
        return
    typer.echo(f"Hand {application} to the owner, and read out to it the fingerprint of your key:")
    typer.echo(f"  {opened.fingerprint}")


@app.command()
def join(
    invitation: Annotated[Path, typer.Argument(help="What the owner handed back.")],
    home: Home,
    fingerprint: Annotated[str, typer.Option(help="Of the owner's key, as it read it out to you.")],
) -> None:
    """Trust the owner whose key has this fingerprint, and keep the certificate it gave."""
    try:
        data = invitation.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(invitation), got=error.strerror, expected="the owner's invitation") from error
    opened = LenderHome.open(home).join(data, fingerprint, datetime.now(UTC))
    typer.echo(f"{opened.lender} may ask {opened.address}. Next: `fedscore lender terms`.")


@app.command()
def terms(
    home: Home,
    accept: Annotated[bool, typer.Option("--accept", help="Ask under this offer, and no other, from now on.")] = False,
    as_json: AsJson = False,
) -> None:
    """What the owner offers: the model, its limits, and what a score under it can tell you."""
    from clients.lender.blind_client import BlindOwner  # gRPC
    from federation.blind import uncertainty

    opened = LenderHome.open(home)
    with BlindOwner(opened, lambda: datetime.now(UTC)) as owner:
        owner.renew()
        offer, left = owner.offer()
    accepted = opened.accepted()
    known = accepted is not None and accepted.offer == offer.offer
    catalogue = opened.catalogue
    offer.offer.columns(catalogue)
    facts = {
        "owner": offer.offer.owner,
        "model": offer.offer.read_terms().model.hex(),
        "catalogue": offer.offer.catalogue.name,
        "parts": list(offer.offer.parts),
        "limits": offer.offer.limits.model_dump(),
        "left_today": left,
        "left_for": offer.offer.limits.leaves,
        "plus_minus": uncertainty(offer.offer, catalogue),
        "accepted": known or accept,
    }
    if accept and not known:
        opened.accept(offer)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
    else:
        _say_terms(facts)


@app.command()
def score(
    applicants: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet, as the catalogue describes it.")],
    home: Home,
    out: Annotated[Path | None, typer.Option(help="Where the scored file goes: .parquet or .csv.")] = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Leave out rows that break a rule, and write them to this file, with reasons.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a file of applicants. Each that is asked about is spent of what the owner leaves you.

    Exit code 0 also where somebody is known too little (thin_file): nothing is spent on them. Without --out the scores
    are printed, one JSON object a line with --json.
    """
    from clients.lender.blind_client import BlindOwner  # gRPC
    from clients.lender.output import print_scores
    from clients.lender.scoring import read_applicants
    from clients.lender.scoring import score as ask
    from federation.records import check_output, refuse_taken, write_output, write_quarantine

    opened = LenderHome.open(home)
    if out is not None:
        check_output(out)
    if quarantine is not None:
        refuse_taken(quarantine)
    read = read_applicants(applicants, opened.catalogue, skip_bad=quarantine is not None)
    if quarantine is not None and read.refused.height:
        write_quarantine(read.refused, quarantine)
    started = time.monotonic()
    with BlindOwner(opened, lambda: datetime.now(UTC)) as owner:
        owner.renew()
        result = ask(opened, owner, read)
    seconds = time.monotonic() - started
    if out is None:
        print_scores(result, opened.catalogue, as_json=as_json)
    else:
        write_output(result.to_frame(), out)
        said = result.to_json() | {"out": str(out), "seconds": round(seconds, 3)}
        typer.echo(json.dumps(said) if as_json else _summary(said))
    if result.failure is not None:
        raise result.failure


def _say_terms(facts: dict[str, Any]) -> None:
    limits = facts["limits"]
    typer.echo(f"{facts['owner']} offers model {facts['model'][:16]} on catalogue {facts['catalogue']}.")
    typer.echo(f"Parts: {', '.join(facts['parts'])}. A score is off by at most {facts['plus_minus']:.1f} points.")
    day = "" if limits["per_day"] is None else f", {limits['per_day']} a day"
    typer.echo(
        f"Applicants: {facts['left_today']} left {facts['left_for']}. At most {limits['per_lender']} to you{day},"
        f" {limits['lifetime']} to all in the model's life, {limits['per_request']} in one request."
    )
    if limits["weights_may_be_extracted"]:
        typer.echo("The owner accepts that so many answers give the weights of its model away.")
    typer.echo("Accepted." if facts["accepted"] else "Not accepted: `fedscore lender terms --accept`.")


def _summary(said: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count:,} {name}" for name, count in said["outcomes"].items() if count)
    return (
        f"applicants: {said['applicants']:,} in {said['seconds']:.1f} s ({outcomes or 'none'});"
        f" asked about: {said['asked']:,}; requests: {said['requests']};"
        f" scores off by at most {said['plus_minus']:.1f} points,"
        f" {said['band_uncertain']:,} bands uncertain.\nWritten: {said['out']}"
    )
