"""`fedscore subject`: the person's wallet: who she is, what she permits, what she takes back.

    fedscore subject init - --wallet WALLET --identifiers de-steuer-id --request request.json < identifier
    fedscore subject accept identity.json --wallet WALLET            # from the identity authority
    fedscore subject receipt --querier bank-a --purpose credit-application --scope synthetic --out receipt.json
    fedscore subject revoke SERIAL --out revocation.json
    fedscore subject acknowledged acknowledgement.json               # what the institution gave back
    fedscore subject complain SERIAL --out complaint.json            # to the regulator
    fedscore subject show

A receipt goes to the institution that may ask, and serves one question. A revocation goes to it too, and counts from
when it arrives: the acknowledgement that it gives back shows when that was, to you and to a regulator.
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
from federation.inquiries.acknowledged import Acknowledged
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
def keep(home: Home, document: Annotated[Path, typer.Argument(help="What this wallet once handed out.")]) -> None:
    """Take back a consent document that the wallet does not know any more: it was restored from an older copy."""
    consent = Wallet.open(home).keep(read_document(document, "a consent document"))
    typer.echo(f"{consent.serial} for {consent.receipt.receipt.querier} is kept again")


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
def acknowledged(
    home: Home,
    document: Annotated[Path, typer.Argument(help="What the institution gave back.")],
    as_json: AsJson = False,
) -> None:
    """Keep an institution's acknowledgement of a revocation. What is not in order is not kept: ask for another."""
    wallet = Wallet.open(home)
    log = inquiries_cli.log_key(wallet)
    shown = wallet.acknowledge(read_document(document, "an acknowledgement"), time.time(), log)
    facts = _acknowledged(shown) | {"verified": log is not None}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{facts['institution']} has it, and said so in the log as entry {facts['index']}.")
    if shown.said.leaf is not None:
        typer.echo("The receipt had served a question before: `subject inquiries` shows which.")
    if log is None:
        typer.echo("Not held against the log's key: `subject inquiries --oversight` pins it; then call this again.")


@app.command()
def complain(
    home: Home,
    serial: Annotated[str, typer.Argument(help="Of the receipt: see show.")],
    out: Out,
    as_json: AsJson = False,
) -> None:
    """Write what a regulator judges an inquiry by that was made although you took the permission back.

    It shows the regulator your wallet's key and the number of this receipt. Without the institution's acknowledgement
    nobody can tell whether it had your revocation, and the regulator can only say so.
    """
    must_be_new(out)
    complaint = Wallet.open(home).complaint(serial)
    write_private(out, complaint.encode())
    told = {"serial": serial, "acknowledged": complaint.acknowledged is not None, "out": str(out)}
    without = "" if complaint.acknowledged else "; without an acknowledgement it decides nothing"
    typer.echo(json.dumps(told) if as_json else f"{out}: hand it to the regulator{without}")


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
        typer.echo(line.format(**each) + f", until {_day(each['expires'])}" + _known(each))


def _facts(wallet: Wallet, consent: Consent, now: int) -> dict[str, Any]:
    given = consent.receipt.receipt
    shown = wallet.acknowledgement(consent.serial)
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
        "acknowledged": None if shown is None else _acknowledged(shown),
    }


def _acknowledged(shown: Acknowledged) -> dict[str, Any]:
    """What an acknowledgement says. index: of the log entry; served: whether the receipt had served a question."""
    said = shown.said
    return {
        "institution": said.institution,
        "index": shown.promise.index,
        "logged": shown.promise.issued_at,
        "served": said.leaf is not None,
    }


def _known(facts: Mapping[str, Any]) -> str:
    """Whether the institution of a revoked receipt is known to have the revocation."""
    said = facts["acknowledged"]
    if facts["state"] != "revoked":
        return ""
    return "; NOT acknowledged" if said is None else f"; acknowledged {_day(said['logged'])}, entry {said['index']}"


def _day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
