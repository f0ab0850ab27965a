"""`fedscore institution open`: show the regulator what it has drawn of this institution's inquiries, and no more."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.institution.cli_enrol import AsJson, Home
from clients.institution.home import InstitutionHome
from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.delivering import Delivery, Drawn
from clients.institution.lookup.drawn import LoggedDraws, OwnLeaf, RevealedDraw
from clients.institution.lookup.opening import Opener
from clients.institution.lookup.serving_database import lookup_database
from clients.institution.oversight.folder import OversightFolder
from clients.institution.oversight.log_client import LogClient
from clients.institution.person.mailbox_client import MailboxClient
from federation.errors import ConfigurationError, FederationError
from federation.runtime.database import open_engine
from federation.runtime.private_files import private_directory, write_public
from protocols.errors import ProtocolError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
WAITS = 3
_LOOK_S = 0.5


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
    deliver: Annotated[
        bool, typer.Option("--deliver", help="Hand them to the regulator, through the coordinator's mailbox.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0.0, help="With --deliver: seconds to wait for its receipts.")] = 60.0,
    former: Annotated[
        Path | None, typer.Option(help="The home of before: for what was asked under the key that it had.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Open inquiries that the regulator has drawn, sealed so that the regulator alone can read them.

    The draw is verified against the log first: its place, its root, its seeds, and that this inquiry was drawn. What
    was not drawn is not opened. The regulator must get them before the deadline, by --deliver or as files (--out): what
    is not opened is a breach. What it has signed for is delivered; call again for the rest, or hand over files.
    Exit code 1 if something that was drawn, or named here, could not be opened; 3 if a receipt is still awaited.
    """
    if bool(qid) == drawn:
        raise typer.BadParameter("either inquiries or --drawn")
    if deliver and plain:
        raise typer.BadParameter("--plain is for files: nothing leaves by the coordinator that is not sealed")
    opened, folder = InstitutionHome.open(home), None if out is None else private_directory(out)
    asker = _asker(opened, former)
    with LogClient(opened) as log:
        draws = LoggedDraws.read(log, asker, time.time(), OversightFolder(opened.path).overseers())
        opener = Opener(asker, AskedStore(open_engine(lookup_database(asker))), draws)
        wanted = [opener.named(name) for name in qid or ()] if qid else draws.drawn()
        told = [_open(opener, leaf, draw, folder, plain=plain) for leaf, draw in wanted]
        if deliver:
            _deliver(opened, opener, wanted, told, wait)
    if as_json:
        typer.echo(json.dumps({"inquiries": told, "refused_draws": draws.refused}, indent=2))
    else:
        _show(told, draws)
    if any(each["why"] for each in told):
        raise typer.Exit(1)
    if any(each["delivered"] is False for each in told):
        raise typer.Exit(WAITS)


def _asker(home: InstitutionHome, former: Path | None) -> InstitutionHome:
    """Whose key signed the inquiries, and whose database opens them: after a change of the key the home of before."""
    if former is None:
        return home
    asker = InstitutionHome.open(former)
    if asker.name != home.name:
        raise ConfigurationError("--former", got=asker.name, expected=f"a home of {home.name}")
    return asker


def _deliver(
    home: InstitutionHome, opener: Opener, wanted: Sequence[Drawn], told: Sequence[dict[str, Any]], wait: float
) -> None:
    """Hand over what can be opened, and say in `told` what of it the regulator has signed for within `wait` seconds."""
    able = [(each, said) for each, said in zip(wanted, told, strict=True) if not said["why"]]
    end = time.monotonic() + wait
    with MailboxClient(home) as mailbox:
        delivery = Delivery(opener.home, opener, mailbox)
        while not all(has := delivery.turn([each for each, _ in able])) and (left := end - time.monotonic()) > 0:
            time.sleep(min(_LOOK_S, left))
    for (_, said), delivered in zip(able, has, strict=True):
        said["delivered"] = delivered


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
    shown = {"file": None if file is None else str(file), "why": why, "delivered": None}
    return {**said, "deadline": draw.seeds.deadline, **shown}


def _show(told: list[dict[str, Any]], draws: LoggedDraws) -> None:
    for draw, why in draws.refused.items():
        typer.echo(f"draw {draw[:16]} does not hold, and nothing is opened for it:\n  {why}", err=True)
    for each in told:
        until = f"{datetime.fromtimestamp(each['deadline'], UTC):%Y-%m-%d %H:%M} UTC"
        carried = {None: "drawn", False: "on its way: no receipt yet", True: "the regulator has it"}[each["delivered"]]
        typer.echo(f"{each['leaf']}\n  until {until}: {each['why'] or each['file'] or carried}")
    if not told:
        typer.echo("Nothing of this institution's was drawn.")
