"""`fedscore institution consent`: what persons took back, and whether a receipt would cover a question.

    fedscore institution consent revoke revocation.json --home HOME
    fedscore institution consent check receipt.json - --purpose credit-application --home HOME < identifier

A revocation counts from when it is delivered here: from then on its receipt covers no question. What was asked before
stays covered. `check` asks nobody and uses nothing up.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.consent_store import ConsentStore
from clients.institution.lookup.gate import Gate
from clients.institution.lookup.questions import Question
from clients.institution.lookup.serving_database import lookup_database
from federation.lookup.reading import read_document, read_subject
from federation.runtime.database import open_engine
from protocols.consent.receipt import SignedRevocation
from protocols.consent.refusal import ConsentRefused

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Persons' consent: what they took back, what a receipt covers.",
)
NOT_COVERED = 4


@app.command()
def revoke(
    file: Annotated[Path, typer.Argument(help="The person's revocation, from her wallet.")],
    home: Home,
    as_json: AsJson = False,
) -> None:
    """Take delivery of a revocation: durable, and in force from now on."""
    signed = SignedRevocation.decode(read_document(file, "a revocation"))
    store = ConsentStore(open_engine(lookup_database(InstitutionHome.open(home))))
    since = store.revoke(signed, int(time.time()))
    facts = {"serial": signed.revocation.serial, "since": since}
    typer.echo(json.dumps(facts) if as_json else f"{facts['serial']} covers no question since {since} (Unix time)")


@app.command()
def check(
    receipt: Annotated[Path, typer.Argument(help="The person's consent document.")],
    subject: Annotated[str, typer.Argument(help="The person's identifier; - reads it from standard input.")],
    purpose: Annotated[str, typer.Option(help="Why you would ask.")],
    home: Home,
    as_json: AsJson = False,
) -> None:
    """Say whether a question would be covered now. Exit code 4: it would not; the rule is named."""
    opened = InstitutionHome.open(home)
    gate = Gate.of(opened, open_engine(lookup_database(opened)), time.time)
    try:
        admitted = gate.check(Question(read_subject(subject), purpose, read_document(receipt, "a consent document")))
    except ConsentRefused as refused:
        facts = {"covered": False, "refused": refused.rule, "got": refused.got, "expected": refused.expected}
        typer.echo(json.dumps(facts) if as_json else f"not covered: {refused}")
        raise typer.Exit(NOT_COVERED) from refused
    if admitted.consent is None:
        typer.echo(json.dumps({"covered": None}) if as_json else "this federation asks WITHOUT the persons' consent")
        return
    given = admitted.consent.receipt.receipt
    told = {"covered": True, "inquiry": given.inquiry, "serial": given.serial, "expires": given.expires}
    typer.echo(json.dumps(told) if as_json else f"covered: a {given.inquiry} inquiry, serial {given.serial}")
