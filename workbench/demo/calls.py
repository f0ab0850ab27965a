"""Commands of the demonstration that need no process of their own: run here, by the same words.

    told = call(command("regulator", "check", *files, home=home), code=1)

What a command does, prints and refuses is what it does as a process. Those that serve, and those whose process is part
of what is shown, are run by `Processes`. Nothing given here stands in the list of processes.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TypeVar

import click
import typer

from federation.cli import app
from federation.errors import FederationError
from protocols.errors import ProtocolError
from workbench.demo.processes import DemoFailed

_INTERRUPTED = 130  # what Ctrl-C within a command becomes
_LOOK_S = 0.2
T = TypeVar("T")


def call(arguments: Sequence[str], *, code: int = 0) -> Any:
    """Run one command to its end; the JSON it printed, None if none.

    Raises DemoFailed for what it refuses, and for another exit code than `code`.
    """
    where, expected = " ".join(arguments[:2]), f"exit code {code}"
    said, complained = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(complained):
            main = typer.main.get_command(app)
            ended = main.main(args=list(arguments), prog_name="fedscore", standalone_mode=False)
    except click.ClickException as error:
        raise DemoFailed(where, got=error.format_message(), expected=expected) from error
    except (FederationError, ProtocolError) as error:
        raise DemoFailed(where, got=str(error), expected=expected) from error
    if ended == _INTERRUPTED:
        raise KeyboardInterrupt
    text = said.getvalue().strip()
    if (ended or 0) != code:
        tail = complained.getvalue().strip() or text
        raise DemoFailed(where, got=f"exit code {ended or 0}", expected=expected, tail=tail)
    return json.loads(text) if text.startswith(("{", "[")) else None


def once(look: Callable[[], T], enough: Callable[[T], bool], *, seconds: float) -> T:
    """What there is to see once it is `enough`, or after `seconds`: what is said reaches others a moment later."""
    end = time.monotonic() + seconds
    while not enough(found := look()) and time.monotonic() < end:
        time.sleep(_LOOK_S)
    return found
