"""`fedscore coordinator members|admit|reject|revoke`: the operator's decisions about who takes part.

They work on the coordinator's own database, on its own machine: nobody can admit anybody over a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from federation.runtime.sheet import Sheet
from server.home import CoordinatorHome
from server.membership import Membership

if TYPE_CHECKING:
    from server.membership_store import MembershipStore

Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The coordinator's home.")]
Name = Annotated[str, typer.Argument(help="The institution's name.")]
Reason = Annotated[str, typer.Option(help="Kept with the decision.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, help="The operator's decisions about who takes part."
)


@app.command()
def members(home: Home, as_json: AsJson = False) -> None:
    """List applications and members, after checking the chain of decisions."""
    with _store(CoordinatorHome.open(home)) as store:
        store.events()
        known = store.all()
    if as_json:
        typer.echo(json.dumps([member.to_json() for member in known], indent=2))
    else:
        roster_sheet(known).show(Console())


@app.command()
def admit(
    name: Name,
    home: Home,
    fingerprint: Annotated[str, typer.Option(help="As the institution read it out, in full.")],
    as_json: AsJson = False,
) -> None:
    """Admit an application, if FINGERPRINT is its key's; signs its certificate."""
    opened = CoordinatorHome.open(home)
    now = datetime.now(UTC)

    def sign(member: Membership) -> bytes:
        return opened.authority().sign_member(member.request, member.institution, now)

    with _store(opened) as store:
        _tell(store.admit(name, fingerprint, sign, _ms(now)), as_json)


@app.command()
def reject(
    name: Name,
    home: Home,
    reason: Reason = "",
    fingerprint: Annotated[str, typer.Option(help="Which one, if several applied under NAME.")] = "",
    as_json: AsJson = False,
) -> None:
    """Refuse a pending application."""
    with _store(CoordinatorHome.open(home)) as store:
        _tell(store.reject(name, reason, _ms(datetime.now(UTC)), fingerprint=fingerprint), as_json)


@app.command()
def revoke(name: Name, home: Home, reason: Reason = "", as_json: AsJson = False) -> None:
    """End a membership at once: no roster, no certificate, no training node any more."""
    with _store(CoordinatorHome.open(home)) as store:
        _tell(store.revoke(name, reason, _ms(datetime.now(UTC))), as_json)


def roster_sheet(known: tuple[Membership, ...], online: frozenset[str] | None = None) -> Sheet:
    """Applications and members, one a row; `online`: the institutions whose nodes are connected, None if unknown."""
    figures = ("nominal records", "features")
    sheet = Sheet("institution", "state", "fingerprint", *figures, title="Members", right=figures)
    for member in known:
        node = "" if online is None else (", online" if member.institution in online else ", away")
        counts = f"{member.nominal_records:,}", str(len(member.features))
        sheet.add(escape(member.institution), member.state.value + node, member.fingerprint, *counts)
    return sheet


@contextmanager
def _store(home: CoordinatorHome) -> Iterator[MembershipStore]:
    from server.membership_store import MembershipStore  # with SQLAlchemy, which `serve` can do without

    store = MembershipStore.open(home.database_url)
    try:
        yield store
    finally:
        store.close()


def _tell(member: Membership, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(member.to_json(), indent=2))
    else:
        typer.echo(f"{member.institution}: {member.state.value} (key {member.fingerprint})")


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
