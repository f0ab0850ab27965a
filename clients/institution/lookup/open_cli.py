"""`fedscore institution open`: show the regulator what it has drawn of this institution's inquiries, and no more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.drawn import LoggedDraws, OwnLeaf, RevealedDraw
from clients.institution.lookup.opening import Opener
from clients.institution.lookup.serving_database import lookup_database
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from federation.errors import FederationError
from federation.runtime.database import open_engine
from federation.runtime.private_files import private_directory, write_public
from protocols.errors import ProtocolError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command("open")
def open_inquiries(
    home: Home,
    qid: Annotated[
        list[str] | None, typer.Argument(help="Inquiries to open: qid or leaf hash, hexadecimal; repeat.")
    ] = None,
    drawn: Annotated[bool, typer.Option("--drawn", help="Open all that were drawn.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the openings; without one they are listed only.")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Not sealed, for who is to judge beside the regulator: it shows the person.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Open inquiries that the regulator has drawn, each to a file that the regulator alone can read.

    The draw is verified against the log first: its place, its root, its seeds, and that this inquiry was drawn. What
    was not drawn is not opened. Hand the files to the regulator, before the deadline: what is not opened is a breach.
    Exit code 1 if something that was drawn, or named here, could not be opened.
    """
    if bool(qid) == drawn:
        raise typer.BadParameter("either inquiries or --drawn")
    opened, folder = InstitutionHome.open(home), None if out is None else private_directory(out)
    with LogClient(opened) as log:
        draws = LoggedDraws.read(log, opened, time.time(), OversightFolder(opened.path).overseers())
        opener = Opener(opened, AskedStore(open_engine(lookup_database(opened))), draws)
        wanted = [opener.named(name) for name in qid or ()] if qid else list(_drawn(draws))
        told = [_open(opener, leaf, draw, folder, plain=plain) for leaf, draw in wanted]
    if as_json:
        typer.echo(json.dumps({"inquiries": told, "refused_draws": draws.refused}, indent=2))
    else:
        _show(told, draws)
    if any(each["why"] for each in told):
        raise typer.Exit(1)


def _drawn(draws: LoggedDraws) -> Iterator[tuple[OwnLeaf, RevealedDraw]]:
    return ((leaf, draw) for draw in draws.valid for leaf in draws.own(draw))


def _open(opener: Opener, leaf: OwnLeaf, draw: RevealedDraw, folder: Path | None, *, plain: bool) -> dict[str, Any]:
    """What became of one inquiry; nothing of whom it is about."""
    name, file, why = leaf.signed.hash.hex(), None, ""
    try:
        data = opener.answer(leaf, draw).encode() if plain else opener.open(leaf, draw)
        if folder is not None:
            file = folder / f"{name}-{draw.hash.hex()[:16]}.{'plain' if plain else 'opening'}"
            write_public(file, data, mode=0o600)
    except (FederationError, ProtocolError) as error:
        why = str(error)
    said = {"leaf": name, "qid": leaf.signed.leaf.qid.hex(), "index": leaf.index, "draw": draw.hash.hex()}
    return {**said, "deadline": draw.seeds.deadline, "file": None if file is None else str(file), "why": why}


def _show(told: list[dict[str, Any]], draws: LoggedDraws) -> None:
    for draw, why in draws.refused.items():
        typer.echo(f"draw {draw[:16]} does not hold, and nothing is opened for it: {why}", err=True)
    for each in told:
        until = f"{datetime.fromtimestamp(each['deadline'], UTC):%Y-%m-%d %H:%M} UTC"
        typer.echo(f"{each['leaf']}   until {until}   {each['why'] or each['file'] or 'drawn'}")
    if not told:
        typer.echo("Nothing of this institution's was drawn.")
