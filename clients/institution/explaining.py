"""Why a node finds itself unusable, for the person at the terminal: `python -m clients.institution.explaining HOME`.

The text of an error may quote the file that it is about, so it goes to a terminal and nowhere else: a stream that is
kept (a journal, a file) gets the command that shows it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TextIO

from clients.institution.data_check import look_at
from clients.institution.home import InstitutionHome
from federation.catalogue import load_catalogue
from federation.errors import FederationError
from protocols.errors import ProtocolError


def explain(path: Path, stream: TextIO) -> int:
    """0 where nothing is wrong with settings, catalogue and records; else 1, having said what."""
    try:
        home = InstitutionHome.open(path)
        command = ["fedscore", "catalogue", "check", str(home.catalogue), "--data", str(home.data)]
        command += ["--coverage", ",".join(home.settings.features)] if home.settings.features else []
    except (FederationError, ProtocolError) as error:
        return _tell(error, ["fedscore", "institution", "status", "--home", str(path)], stream)
    try:
        catalogue = load_catalogue(home.catalogue)
        look_at(home.data, catalogue, features=home.settings.features or catalogue.feature_names)
    except FederationError as error:
        return _tell(error, command, stream)
    return 0


def _tell(error: FederationError | ProtocolError, command: list[str], stream: TextIO) -> int:
    if stream.isatty():
        print(f"  {type(error).__name__}: {error}", file=stream)
    print(f"  to see it again: {shlex.join(command)}", file=stream)
    return 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="fedscore-explaining", description="Why a node finds itself unusable.")
    parser.add_argument("home", type=Path)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    return explain(parser.parse_args(arguments).home, sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
