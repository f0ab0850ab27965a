"""`fedscore identity`: an authority that states whose key is whose, so that no bank has to be believed in it.

    fedscore identity init --home HOME --name e-id --identifiers de-steuer-id
    fedscore identity certify request.json - --home HOME --out identity.json < identifier

The key that `init` prints goes into the coordinator's settings, and with them into the roster that every member
approves. `certify` takes the request of a wallet and the identifier that the authority itself has verified.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from clients.identity.authority import IdentityHome
from federation.lookup.reading import read_document, read_subject
from federation.runtime.outputs import must_be_new
from federation.runtime.private_files import write_private
from protocols.consent.check import moment

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="State whose key is whose: an identity authority.",
)
Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_IDENTITY", help="The authority's home.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DAY_S = 86_400


@app.command()
def init(
    home: Home,
    name: Annotated[str, typer.Option(help="The name under which rosters know it.")],
    identifiers: Annotated[str, typer.Option(help="How persons are identified: the federation's scheme.")] = "opaque",
    as_json: AsJson = False,
) -> None:
    """Make an authority's home and its key."""
    authority = IdentityHome.create(home, name, identifiers).authority
    facts = {"name": authority.name, "key": authority.key.hex, "key_id": authority.key.key_id}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{authority.name} is at home in {home}. In the coordinator's settings it stands as")
    typer.echo(f'  [authorities]\n  {json.dumps(authority.name)} = "{authority.key.hex}"')
    typer.echo(f"and members see it by its key id, {authority.key.key_id}")


@app.command()
def certify(
    home: Home,
    request: Annotated[Path, typer.Argument(help="The wallet's request.")],
    subject: Annotated[str, typer.Argument(help="The identifier that was verified; - reads it from standard input.")],
    out: Annotated[Path, typer.Option(help="Where the statement goes, for the wallet: a new file.")],
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long it holds.")] = 365,
    as_json: AsJson = False,
) -> None:
    """State that the key of a wallet is that of the person who was verified."""
    asked, now = read_document(request, "a wallet's request"), int(time.time())
    must_be_new(out)
    signed = IdentityHome.open(home).certify(asked, read_subject(subject), start=now, until=now + days * _DAY_S)
    write_private(out, signed.encode())
    facts = {"key_id": signed.statement.key.key_id, "start": now, "until": signed.statement.until, "out": str(out)}
    typer.echo(json.dumps(facts) if as_json else f"{out}: key {facts['key_id']}, for {days} days")


@app.command()
def show(home: Home, as_json: AsJson = False) -> None:
    """The authority, and what it stated: key ids and dates, never an identifier."""
    opened = IdentityHome.open(home)
    stated = [
        {"key_id": each.statement.key.key_id, "start": each.statement.start, "until": each.statement.until}
        for each in opened.statements()
    ]
    if as_json:
        authority = {"name": opened.authority.name, "key": opened.authority.key.hex}
        typer.echo(json.dumps(authority | {"identifiers": opened.scheme.name, "statements": stated}))
        return
    typer.echo(f"{opened.authority.name}: key id {opened.authority.key.key_id}, {len(stated)} statements")
    for statement in (each.statement for each in opened.statements()):
        span = f"from {moment(statement.start)} to {moment(statement.until)}"
        typer.echo(f"  key {statement.key.key_id} {span}")
