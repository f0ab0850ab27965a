"""`fedscore institution consent`: what persons took back, and whether a receipt would cover a question.

    fedscore institution consent revoke revocation.json --home HOME --out acknowledgement.json
    fedscore institution consent check receipt.json - --purpose credit-application --home HOME < identifier

A revocation counts from when it is delivered here: from then on its receipt covers no question. What was asked before
stays covered. The acknowledgement goes back to the person. `check` asks nobody and uses nothing up.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.acknowledging import acknowledge
from clients.institution.lookup.consent_store import ConsentStore
from clients.institution.lookup.gate import Gate
from clients.institution.lookup.questions import Question
from clients.institution.lookup.serving_database import lookup_database
from clients.institution.oversight.log_client import LogClient
from federation.errors import FederationError
from federation.lookup.reading import read_document, read_subject
from federation.runtime.database import open_engine
from federation.runtime.outputs import must_be_new
from federation.runtime.private_files import write_private
from protocols.consent.check import moment
from protocols.consent.receipt import SignedRevocation
from protocols.consent.refusal import ConsentRefused
from protocols.errors import ProtocolError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Persons' consent: what they took back, what a receipt covers.",
)
NOT_COVERED = 4
NOT_ACKNOWLEDGED = 3


@app.command()
def revoke(
    file: Annotated[Path, typer.Argument(help="The person's revocation, from her wallet.")],
    home: Home,
    out: Annotated[
        Path | None, typer.Option(help="The acknowledgement, for the person: a new file. It takes the log.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take delivery of a revocation: durable, and in force from now on.

    With --out also acknowledge it: by a commitment in the log, which shows neither person nor receipt. Exit code 3: it
    is in force, but the log is away and there is no acknowledgement yet; the same command again makes it.
    """
    if out is not None:
        must_be_new(out)
    opened, signed = InstitutionHome.open(home), SignedRevocation.decode(read_document(file, "a revocation"))
    store = ConsentStore(open_engine(lookup_database(opened)))
    since = store.revoke(signed, int(time.time()))
    facts: dict[str, Any] = {"serial": signed.revocation.serial, "since": since}
    line = f"{facts['serial']} covers no question since {moment(since)}"
    if out is None:
        typer.echo(json.dumps(facts) if as_json else f"{line}; she has no acknowledgement: --out makes one")
        return
    try:
        with LogClient(opened) as log:
            made = acknowledge(opened, store, signed, log, time.time())
    except (FederationError, ProtocolError) as error:
        facts |= {"acknowledgement": None, "why": str(error)}
        typer.echo(json.dumps(facts) if as_json else f"{line}; not acknowledged, call again: {error}")
        raise typer.Exit(NOT_ACKNOWLEDGED) from error
    write_private(out, made.encode())
    facts |= {"acknowledgement": str(out), "index": made.promise.index, "served": made.said.leaf is not None}
    typer.echo(json.dumps(facts) if as_json else f"{line}; {out} is for the person: log entry {made.promise.index}")


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
