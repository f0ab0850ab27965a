"""`fedscore regulator holder`: hold one half of the oversight key, beside the ombudsman."""

from __future__ import annotations

from pathlib import Path

import typer

from clients.regulator.home import RegulatorHome
from federation.inquiries.holder_cli import AsJson, Authorities, Bind, Home, Host, Port, commands, make, tell

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)


def folder(home: Path) -> Path:
    """Where the holder's home is, in the regulator's."""
    return home / "holder"


@app.command()
def init(
    home: Home,
    authority: Authorities,
    host: Host = "127.0.0.1",
    bind: Bind = "127.0.0.1",
    port: Port = 9491,
    as_json: AsJson = False,
) -> None:
    """Make a share of the key, and the statement that goes to the ombudsman, signed with the regulator's key."""
    regulator = RegulatorHome.open(home)
    keys = regulator.policy.keys
    made = make(
        folder(regulator.path),
        name=regulator.name,
        log=regulator.policy.log.key.hex,
        coordinator=keys.coordinator,
        host=host,
        bind=bind,
        port=port,
        authorities=authority,
        signing=regulator.signing_key,
    )
    tell(made, as_json=as_json)


commands(app, folder)
