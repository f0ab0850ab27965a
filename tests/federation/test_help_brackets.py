"""Help says what a default is, in brackets: none of them may be taken for markup and vanish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

import click
import pytest
from click.testing import CliRunner

from federation.cli import GROUP, Lazy, load

ROLES = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
WIDE = {"COLUMNS": "400", "TERMINAL_WIDTH": "400"}


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        lazy = command.entries() if isinstance(command, Lazy) else {}
        for inner in command.list_commands(context):
            found = load(lazy[inner]) if inner in lazy else command.get_command(context, inner)
            assert found is not None
            yield from commands(f"{name} {inner}", found)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_what_is_in_brackets_is_shown(role: str) -> None:
    checked = 0
    for name, command in commands(role, load(ROLES[role])):
        bracketed = {
            part
            for parameter in command.params
            for part in re.findall(r"\[([^\]]+)\]", (getattr(parameter, "help", "") or "").replace("\\[", "["))
        }
        if bracketed:
            shown = re.sub(r"\s+", " ", CliRunner().invoke(command, ["--help"], env=WIDE).output)  # type: ignore[arg-type]
            assert {part for part in bracketed if f"[{part}]" not in shown} == set(), name
            checked += 1
    assert checked or role not in ("institution", "coordinator")
