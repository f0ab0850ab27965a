"""`fedscore regulator`: export the trail, verify an export, offline and without trusting who wrote it."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clients.regulator import service_cli
from clients.regulator.inquiries import cli as inquiries_cli
from clients.regulator.policy import Policy
from clients.regulator.policy_template import template
from clients.regulator.view import show
from federation.cli import mount
from federation.errors import ConfigurationError
from federation.runtime.outputs import refuse_existing
from federation.runtime.progress import showing, unheard

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help=__doc__,
    cls=mount(canary="clients.regulator.canaries.cli:app", holder="clients.regulator.holder.cli:app"),
)
app.registered_commands += service_cli.app.registered_commands + inquiries_cli.app.registered_commands

if TYPE_CHECKING:
    from clients.regulator.trail import Trail

PolicyFile = Annotated[Path, typer.Option("--policy", help="The regulator's policy.toml.")]


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The export to write (zip).")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="The regulator's home, with its own copy.")] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="A copy of the log, laid out like an export.")] = None,
    log: Annotated[str | None, typer.Option("--log", help="The log's address (HTTP, C2SP tlog-tiles).")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="With --log: names the log's key.")] = None,
    authority: Annotated[Path | None, typer.Option(help="With --log: certificate its server's is signed with.")] = None,
    documents: Annotated[
        Path | None, typer.Option(help="With --log: folder with runs/RUN/NAME.json, not to fetch them from the log.")
    ] = None,
) -> None:
    """Pack the trail into one zip: the same bytes for the same trail."""
    from clients.regulator.export import write_export

    refuse_existing(out, overwrite=overwrite)
    trail = _trail_at_home(home) if home is not None else _trail(folder, log, policy, authority, documents)
    manifest = write_export(out, trail)
    typer.echo(f"{out}: {manifest.size} entries, {len(manifest.files)} files, of {manifest.origin}")


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(metavar="EXPORT", help="The export (zip).")],
    policy: PolicyFile,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    report: Annotated[list[Path] | None, typer.Option(help="Write a report too, .html or .pdf; repeat.")] = None,
) -> None:
    """Verify an export in ten numbered steps. Exit code 0 only if all of them hold."""
    from clients.regulator.verify import examine

    demanded = Policy.read(policy)
    for file in report or ():
        if file.suffix not in (".html", ".pdf"):
            raise ConfigurationError("--report", got=file.suffix or "no suffix", expected=".html or .pdf")
    errors = Console(stderr=True)
    with showing(errors) if errors.is_terminal else nullcontext(unheard) as heard:
        examined = examine(path, demanded, report=heard)
    if report:
        from clients.regulator.report import write_report

        for file in report:
            write_report(file, examined, demanded, path)
    if as_json:
        typer.echo(json.dumps(examined.verdict.to_json() | {"account": examined.account.to_json()}))
    else:
        show(examined.verdict, Console())
    if not examined.verdict.holds:
        raise typer.Exit(1)


@app.command("policy")
def policy_template(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("policy.toml"),
) -> None:
    """Write a policy to be filled in: keys, witnesses, caps. Never overwrites one."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError as error:
        raise ConfigurationError(str(out), got="a file", expected="a name that is free") from error
    typer.echo(f"{out}: fill in what is empty, from the parties themselves and not from an export")


def _trail_at_home(home: Path) -> Trail:
    from clients.regulator.home import RegulatorHome
    from clients.regulator.mirror import MirrorStore
    from clients.regulator.watch.thorough import trail_of

    opened = RegulatorHome.open(home)
    return trail_of(opened, MirrorStore.open(opened.database_url))


def _trail(
    folder: Path | None, log: str | None, policy: Path | None, authority: Path | None, documents: Path | None
) -> Trail:
    if (folder is None) == (log is None):
        raise ConfigurationError("--home, --folder, --log", got="none or several", expected="one of them")
    if folder is not None:
        from clients.regulator.trail import Trail

        return Trail.of_folder(folder)
    if policy is None:
        raise ConfigurationError("--policy", got="none", expected="the policy, which names the log's key")
    from clients.regulator.log_client import read_trail
    from clients.regulator.mirror import LogReader
    from clients.regulator.mirror.documents import with_published

    demanded = Policy.read(policy)
    trail = read_trail(log or "", demanded.log, authority)
    if documents is not None:
        return trail.with_documents(documents)
    with LogReader(log or "", authority) as reader:
        return with_published(trail, demanded.coordinator, reader)
