"""`fedscore subject`: the person's wallet: who she is, what she permits, what she takes back.

    fedscore subject init - --wallet WALLET --identifiers de-steuer-id --request request.json < identifier
    fedscore subject accept identity.json --wallet WALLET            # from the identity authority
    fedscore subject receipt --querier bank-a --purpose credit-application --scope synthetic --out receipt.json
    fedscore subject revoke SERIAL --out revocation.json
    fedscore subject show

A receipt goes to the institution that may ask, and serves one question. A revocation goes to it too, and counts from
when it arrives.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from clients.subject import inquiries_cli
from clients.subject.wallet import Wallet
from federation.catalogue import load_catalogue
from federation.lookup.reading import read_document, read_subject
from federation.lookup.settings import LookupPurpose
from federation.runtime.outputs import must_be_new
from federation.runtime.private_files import write_private
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, Scope

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="A person's wallet: permit inquiries, take permissions back.",
)
Home = Annotated[Path, typer.Option("--wallet", envvar="FEDSCORE_WALLET", help="The wallet's folder.")]
Out = Annotated[Path, typer.Option(help="Where the document goes: a new file, readable by you alone.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
app.command("inquiries")(inquiries_cli.inquiries)
_DAY_S = 86_400
INQUIRIES: Mapping[LookupPurpose, Inquiry] = MappingProxyType(
    {
        LookupPurpose.APPLICATION: Inquiry.HARD,
        LookupPurpose.INCREASE: Inquiry.HARD,
        LookupPurpose.REVIEW: Inquiry.SOFT,
        LookupPurpose.ARREARS: Inquiry.SOFT,
    }
)
"""What an inquiry counts as where the person says nothing: hard if she asked for credit."""


@app.command()
def init(
    home: Home,
    subject: Annotated[str, typer.Argument(help="Your identifier; - reads it from standard input.")],
    request: Annotated[Path, typer.Option(help="Where the request to an identity authority goes: a new file.")],
    identifiers: Annotated[str, typer.Option(help="The kind of identifier: the federation's scheme.")] = "opaque",
    as_json: AsJson = False,
) -> None:
    """Make a wallet, and the request with which an identity authority states that its key is yours."""
    must_be_new(request)
    wallet = Wallet.create(home, read_subject(subject), identifiers)
    write_private(request, wallet.request())
    if as_json:
        typer.echo(json.dumps({"key_id": wallet.key.public.key_id, "request": str(request)}))
    else:
        typer.echo(f"The wallet {home} has key {wallet.key.public.key_id}.")
        typer.echo(f"{request} shows your identifier: hand it to an identity authority and to nobody else.")


@app.command()
def accept(home: Home, statement: Annotated[Path, typer.Argument(help="What the authority answered.")]) -> None:
    """Keep an identity authority's statement: whose receipts this wallet signs."""
    stated = Wallet.open(home).accept(read_document(statement, "an identity statement")).statement
    typer.echo(f"{stated.authority} states your key until {_day(stated.until)}")


@app.command()
def receipt(
    home: Home,
    querier: Annotated[str, typer.Option(help="The institution that may ask.")],
    purpose: Annotated[LookupPurpose, typer.Option(help="What for.")],
    scope: Annotated[str, typer.Option(help="Scores under this catalogue: a shipped name or a file.")],
    out: Out,
    inquiry: Annotated[
        Inquiry | None, typer.Option(help="hard or soft \\[hard for an application or increase, soft for a review].")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long it holds.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Permit one institution one inquiry."""
    must_be_new(out)
    wallet, catalogue, now = Wallet.open(home), load_catalogue(scope), int(time.time())
    consent = wallet.permit(
        querier=querier,
        purpose=purpose.value,
        scope=Scope(catalogue.name, bytes.fromhex(catalogue.hash)),
        inquiry=inquiry or INQUIRIES[purpose],
        now=now,
        until=now + days * _DAY_S,
    )
    write_private(out, consent.encode())
    facts = _facts(wallet, consent, now)
    until = _day(consent.receipt.receipt.expires)
    typer.echo(
        json.dumps(facts) if as_json else f"{out}: {querier} may ask once, until {until}; serial {consent.serial}"
    )


@app.command()
def revoke(
    home: Home,
    serial: Annotated[str, typer.Argument(help="Of the receipt: see show.")],
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Take a receipt back. Hand the file to the institution: it counts from when it has it."""
    must_be_new(out)
    signed = Wallet.open(home).revoke(serial)
    write_private(out, signed.encode())
    told = {"serial": signed.revocation.serial, "out": str(out)}
    typer.echo(json.dumps(told) if as_json else f"{out}: hand it to the institution")


@app.command()
def show(home: Home, as_json: AsJson = False) -> None:
    """Whose key this is, by whom, and what was permitted. Your identifier is not shown."""
    wallet, now = Wallet.open(home), int(time.time())
    identity = wallet.identity
    stated = None if identity is None else identity.statement
    receipts = [_facts(wallet, consent, now) for consent in wallet.permitted()]
    facts = {
        "key_id": wallet.key.public.key_id,
        "identifiers": wallet.scheme,
        "authority": None if stated is None else stated.authority,
        "until": None if stated is None else stated.until,
        "receipts": receipts,
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    by = "no authority yet" if stated is None else f"{stated.authority}, until {_day(stated.until)}"
    typer.echo(f"key {wallet.key.public.key_id}, stated by {by}")
    for each in receipts:
        line = "{serial}  {querier}  {purpose}  {catalogue}  {inquiry}  {state}"
        typer.echo(line.format(**each) + f", until {_day(each['expires'])}")


def _facts(wallet: Wallet, consent: Consent, now: int) -> dict[str, Any]:
    given = consent.receipt.receipt
    state = "revoked" if wallet.revoked(consent.serial) else "expired" if now >= given.expires else "valid"
    return {
        "serial": given.serial,
        "querier": given.querier,
        "purpose": given.purpose,
        "catalogue": given.scope.catalogue,
        "inquiry": str(given.inquiry),
        "issued": given.issued,
        "expires": given.expires,
        "state": state,
    }


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
