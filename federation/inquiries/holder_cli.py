"""What every holder of the oversight key does at its terminal, whichever role it has: join, serve, health, status.

app = typer.Typer(...)
commands(app, lambda home: home / "holder")         # where the role keeps its holder's home
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from federation.errors import ConfigurationError
from federation.inquiries.holder_home import HolderHome, settings_text
from federation.observability.cli import Wait, show_health
from federation.runtime.pki import key_fingerprint
from protocols.consent.holders import SignedHolder
from protocols.signing import SigningKey

Home = Annotated[Path, typer.Option("--home", envvar="FEDSCORE_HOME", help="The home.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
Host = Annotated[str, typer.Option(help="Name or address under which persons reach this holder.")]
Bind = Annotated[str, typer.Option(help="What the service listens on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Its port.")]
Authorities = Annotated[
    list[str], typer.Option("--authority", help="NAME=KEY of an identity authority, as in the roster; repeat.")
]


def make(
    home: Path,
    *,
    name: str,
    log: str,
    coordinator: str,
    host: str,
    bind: str,
    port: int,
    authorities: Iterable[str],
    signing: SigningKey | None = None,
) -> HolderHome:
    """A new holder's home. Raises ConfigurationError."""
    text = settings_text(
        name=name,
        log=log,
        coordinator=coordinator,
        host=host,
        bind=bind,
        port=port,
        authorities=dict(_named(each) for each in authorities),
    )
    return HolderHome.create(home, text, signing)


def tell(home: HolderHome, *, as_json: bool) -> None:
    """Who this holder is, and what of it is compared by people."""
    said = home.statement
    found: dict[str, object] = {
        "name": home.name,
        "address": said.statement.address,
        "key": key_fingerprint(said.key),
        "share": said.statement.public.hex(),
        "statement": str(home.path / "holder.json"),
        "joined": home.joined,
    }
    if home.joined:
        key = home.oversight
        found |= {"holders": list(key.shares), "oversight": key.public.hex(), "fingerprint": key.fingerprint}
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    typer.echo(f"{home.name}: asked at {found['address']}, key {found['key']}")
    if not home.joined:
        typer.echo(
            f"To the other holder: {found['statement']}; read the key out to its people. Then `join` with theirs."
        )
        return
    typer.echo(f"holders: {', '.join(home.oversight.shares)}")
    typer.echo(f"oversight key, for the roster: {found['oversight']}")
    typer.echo(f"fingerprint of {home.path / 'oversight.json'}: {found['fingerprint']}")


def commands(app: typer.Typer, folder: Callable[[Path], Path]) -> None:
    """Add `join`, `serve` and `status` to `app`. `folder`: the holder's home in the home that is named."""

    @app.command()
    def join(
        statement: Annotated[Path, typer.Argument(help="holder.json of the other holder.")],
        home: Home,
        key: Annotated[str, typer.Option(help="The other's key, as its people read it out: 32 digits.")],
        as_json: AsJson = False,
    ) -> None:
        """Make the oversight key of this holder and the other, after both compared their keys."""
        opened = HolderHome.open(folder(home))
        try:
            other = SignedHolder.decode(statement.read_bytes())
        except OSError as error:
            raise ConfigurationError(str(statement), got=error.strerror, expected="the other's holder.json") from error
        opened.join(other, key)
        tell(opened, as_json=as_json)

    @app.command()
    def serve(home: Home) -> None:
        """Answer persons who ask which logged requests are about them, until Ctrl-C."""
        from federation.inquiries.holder_service import serving
        from federation.runtime.logging import configure_process
        from federation.runtime.processes import protect_memory
        from federation.runtime.stop_signal import until_stopped

        opened = HolderHome.open(folder(home))
        configure_process(opened.path / "logs" / "holder.jsonl")
        protect_memory()
        stop = until_stopped()
        with serving(opened) as port:
            typer.echo(f"{opened.name}: listening on {opened.settings.bind}, port {port}", err=True)
            stop.wait()

    @app.command()
    def health(home: Home, as_json: AsJson = False, wait: Wait = 0.0) -> None:
        """Say whether `serve` is ready. Exit code 0: it is, 3: it is not, or does not run."""
        show_health(HolderHome.open(folder(home)).path, as_json=as_json, wait=wait)

    @app.command()
    def status(home: Home, as_json: AsJson = False) -> None:
        """Who this holder is, whom it shares the key with, and how it may be recognised."""
        tell(HolderHome.open(folder(home)), as_json=as_json)


def _named(said: str) -> tuple[str, str]:
    name, _, key = said.partition("=")
    if not name or not key:
        raise ConfigurationError("--authority", got=said[:80], expected="NAME=KEY, hexadecimal")
    return name, key
