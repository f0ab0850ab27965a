"""`fedscore`: one command for every role, found through entry points and loaded only when it is used.

    fedscore --help                 what is there, read from the modules' docstrings, nothing imported
    fedscore coordinator train ...  imports the coordinator's commands and nothing of the others

A role's package announces a typer app in the entry-point group "fedscore.commands". A role that is not installed, or
does not load, is told when it is asked for and never stands in the way of the others.

Exit codes: 0 done, 1 refused or invalid (one line says where, got, expected), 2 wrong usage, 3 not ready yet (`health`,
`lookup`, `enrol`), 4 not covered by consent (`query`), 130 ended by Ctrl-C.

An error that nobody foresaw is one line too: its type and its place, and not its message, for messages of libraries
quote the values they stumbled over. FEDSCORE_TRACEBACK=1 shows all of it, on a terminal that may see records.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import sys
import traceback
from collections.abc import Mapping
from importlib import metadata
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import click
import typer
from typer.core import TyperGroup

from federation.errors import FederationError, Refused
from protocols.errors import ProtocolError

GROUP = "fedscore.commands"
TRACEBACK = "FEDSCORE_TRACEBACK"
ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = tuple(str(ROOT / name) + os.sep for name in ("protocols", "federation", "clients", "server", "workbench"))
_HINT = f"its message may quote records and is not shown, {TRACEBACK}=1 shows it; a home's logs/ may say more"


class Lazy(TyperGroup):
    """A click group with commands of its own and others that are loaded only to be run."""

    @classmethod
    def entries(cls) -> Mapping[str, EntryPoint]:
        """Where the others are, by name."""
        return {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *sorted(self.entries())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """An own command, or a stand-in that knows a name and a summary: what help and completion need."""
        entry = self.entries().get(cmd_name)
        if entry is None:
            return super().get_command(ctx, cmd_name)
        return click.Command(cmd_name, short_help=summary(entry.module) or "(not installed)")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The real command, once it is clear that it will run."""
        name, command, rest = super().resolve_command(ctx, args)
        entry = self.entries().get(name or "")
        return name, command if entry is None else load(entry), rest


class Roles(Lazy):
    """The installed roles."""

    @classmethod
    def entries(cls) -> Mapping[str, EntryPoint]:
        return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def mount(**apps: str) -> type[Lazy]:
    """A group class for a typer app that has further apps below it: name = "module:attribute", loaded when used."""
    entries = {name: EntryPoint(name, value, GROUP) for name, value in apps.items()}

    class Mounted(Lazy):
        @classmethod
        def entries(cls) -> Mapping[str, EntryPoint]:
            return entries

    return Mounted


def load(entry: EntryPoint) -> click.Command:
    """The command behind `entry`. Raises click.ClickException if its module is missing or does not load."""
    try:
        app = entry.load()
    except (ImportError, AttributeError) as error:
        raise click.ClickException(f"{entry.name} is not available: {error}") from error
    command = typer.main.get_command(app)
    command.name = entry.name
    _flow(command)
    return command


def _flow(command: click.Command) -> None:
    """Help in paragraphs: typer keeps the line ends of the source in all but the first, at whatever width."""
    command.help = command.help and re.sub(r"(?<=\S)\n(?=\S)", " ", inspect.cleandoc(command.help))
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _flow(inner)


def summary(module: str) -> str:
    """The first line of a module's docstring, found without importing it; empty if there is no such file.

    >>> summary("federation.cli")
    'one command for every role, found through entry points and loaded only when it is used.'
    """
    package, *inner = module.split(".")
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(folder, *inner).with_suffix(".py")
        if file.is_file():
            text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            return re.sub(r"^`[^`]*`:\s*", "", text.partition("\n")[0])
    return ""


app = typer.Typer(
    cls=Roles,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Privacy-preserving federated credit scoring: private training, private scores, one trail of proof.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fedscore {metadata.version('fedscore')}")
        raise typer.Exit


@app.callback()
def roles(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Privacy-preserving federated credit scoring: private training, private scores, one trail of proof."""


def main() -> None:
    """The entry point of the `fedscore` script. Exits with 0, 1 or 2; see the module."""
    try:
        typer.main.get_command(app)(prog_name="fedscore")
    except (FederationError, ProtocolError) as error:
        code = f" {error.code}" if isinstance(error, Refused) else ""
        typer.echo(f"fedscore: {type(error).__name__}{code}: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        typer.echo(f"fedscore: unexpected {type(error).__name__} {_place(error)}; {_HINT}", err=True)
        sys.exit(1)


def _place(error: Exception) -> str:
    """Where it was raised: the project's own innermost line, and the library's below it.

    >>> _place(ValueError("never raised"))
    'at an unknown place'
    """
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is `main`
    own = [frame for frame in frames if frame.filename.startswith(_PACKAGES)]
    named = list(dict.fromkeys(f"{Path(f.filename).stem}.{f.name}:{f.lineno}" for f in (*own[-1:], *frames[-1:])))
    return f"at {', in '.join(named)}" if named else "at an unknown place"


if __name__ == "__main__":
    main()
