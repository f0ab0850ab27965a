"""`fedscore regulator`: export the trail, verify an export, offline and without trusting who wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from clients.regulator.policy import Policy
from clients.regulator.policy_template import template
from clients.regulator.trail import Trail
from clients.regulator.view import show
from federation.errors import ConfigurationError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)

PolicyFile = Annotated[Path, typer.Option("--policy", help="The regulator's policy.toml.")]


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The export to write (zip).")],
    folder: Annotated[Path | None, typer.Option("--folder", help="A copy of the log, laid out like an export.")] = None,
    log: Annotated[str | None, typer.Option("--log", help="The log's address (HTTP, C2SP tlog-tiles).")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="With --log: names the log's key.")] = None,
    authority: Annotated[Path | None, typer.Option(help="With --log: certificate its server's is signed with.")] = None,
    documents: Annotated[Path | None, typer.Option(help="With --log: folder with runs/RUN/NAME.json.")] = None,
) -> None:
    """Pack the trail into one zip: the same bytes for the same trail."""
    from clients.regulator.export import write_export

    manifest = write_export(out, _trail(folder, log, policy, authority, documents))
    typer.echo(f"{out}: {manifest.size} entries, {len(manifest.files)} files, of {manifest.origin}")


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(metavar="EXPORT", help="The export (zip).")],
    policy: PolicyFile,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write a report too: .html or .pdf.")] = None,
) -> None:
    """Verify an export in ten numbered steps. Exit code 0 only if all of them hold."""
    from clients.regulator.verify import examine

    demanded = Policy.read(policy)
    if report is not None and report.suffix not in (".html", ".pdf"):
        raise ConfigurationError("--report", got=report.suffix or "no suffix", expected=".html or .pdf")
    examined = examine(path, demanded)
    if report is not None:
        from clients.regulator.report import write_report

        write_report(report, examined, demanded, path)
    if as_json:
        typer.echo(json.dumps(examined.verdict.to_json()))
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


def _trail(
    folder: Path | None, log: str | None, policy: Path | None, authority: Path | None, documents: Path | None
) -> Trail:
    if (folder is None) == (log is None):
        raise ConfigurationError("--folder, --log", got="both or none", expected="one of them")
    if folder is not None:
        return Trail.of_folder(folder)
    if policy is None:
        raise ConfigurationError("--policy", got="none", expected="the policy, which names the log's key")
    from clients.regulator.log_client import read_trail

    return read_trail(log or "", Policy.read(policy).log, authority).with_documents(documents)
