"""`fedscore ombudsman seed`: the second seed of a spot check, so that the regulator does not choose the sample."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from federation.errors import ConfigurationError
from federation.inquiries.holder_cli import Home
from federation.inquiries.holder_home import HolderHome
from federation.inquiries.second_seed import SecondSeed, SeedPaper
from federation.runtime.private_files import read_private, write_public
from protocols.canonical import parse_canonical
from protocols.consent.draw import Draw
from protocols.signing import SigningKey, VerifyingKey

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def seed(
    name: Annotated[str, typer.Argument(help="The draw's name, as the regulator calls it.")],
    home: Home,
    out: Annotated[Path, typer.Option(help="The paper for the regulator, for `sample --ombudsman`.")],
    draw: Annotated[
        Path | None, typer.Option(help="Sign this draw (HOME/inquiries/NAME/draw.json of the regulator).")
    ] = None,
    log: Annotated[str | None, typer.Option(help="Reveal: the log's address, which is read first.")] = None,
    log_authority: Annotated[
        Path | None, typer.Option(help="Certificate that the log's server is signed with.")
    ] = None,
) -> None:
    """Commit to a seed; with --draw sign the draw; with --log reveal the seed, once a quorum saw the log that long."""
    if draw is not None and log is not None:
        raise typer.BadParameter("one of --draw and --log")
    opened = HolderHome.open(home)
    key = SigningKey.from_pem(read_private(opened.path / "keys" / "signing.pem"))
    second = SecondSeed(opened.path, key, name)
    if draw is not None:
        paper = second.sign(Draw.from_json(parse_canonical(_read(draw))))
    elif log is not None:
        paper = _reveal(second, opened, log, log_authority)
    else:
        paper = second.commitment()
    write_public(out, paper.encode())
    typer.echo(f"{out}: {paper.said} for {name}; this ombudsman's key is {key.public.hex}")


def _reveal(second: SecondSeed, home: HolderHome, log: str, authority: Path | None) -> SeedPaper:
    from federation.runtime.log_reader import LogReader
    from protocols.transparency import VerifierKey, open_checkpoint

    keys = {each: VerifyingKey.from_hex(getattr(home.settings, each)) for each in ("log", "coordinator")}
    with LogReader(log, authority) as reader:
        note = reader.cosigned()
        if note is None:
            raise ConfigurationError("log", got="no checkpoint that a quorum cosigned", expected="one")
        size = open_checkpoint(note, VerifierKey.of(keys["log"])).size
        return second.reveal(reader.entries(0, size), note, now=time.time(), **keys)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected="a draw") from error
