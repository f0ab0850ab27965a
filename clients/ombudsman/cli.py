"""`fedscore ombudsman`: hold one half of the oversight key, and answer persons who ask who inquired about them."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.ombudsman import seed_cli
from federation.inquiries.holder_cli import AsJson, Authorities, Bind, Home, Host, Port, commands, make, tell

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)


@app.command()
def init(
    home: Home,
    log_key: Annotated[str, typer.Option(help="The log's key (hex), as the coordinator's operator read it out.")],
    coordinator_key: Annotated[str, typer.Option(help="The coordinator's key (hex), likewise.")],
    authority: Authorities,
    host: Host = "127.0.0.1",
    bind: Bind = "127.0.0.1",
    port: Port = 9490,
    name: Annotated[str, typer.Option(help="The ombudsman's name.")] = "ombudsman",
    as_json: AsJson = False,
) -> None:
    """Make a home: a share of the key, and the statement that goes to the regulator."""
    made = make(
        home,
        name=name,
        log=log_key,
        coordinator=coordinator_key,
        host=host,
        bind=bind,
        port=port,
        authorities=authority,
    )
    tell(made, as_json=as_json)


commands(app, lambda home: home)
app.registered_commands += seed_cli.app.registered_commands
