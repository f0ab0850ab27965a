"""Help says all that was written for it: no default in brackets vanishes, no argument is unsaid, no line ends early."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

import click
import pytest
from click.testing import CliRunner

from federation.cli import GROUP, Lazy, load

ROLES = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
WIDE = {"COLUMNS": "1000", "TERMINAL_WIDTH": "1000"}  # typer reads it once in a process


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


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_argument_is_explained(role: str) -> None:
    for name, command in commands(role, load(ROLES[role])):
        shown = re.sub(r"\s+", " ", CliRunner().invoke(command, ["--help"], env=WIDE).output)  # type: ignore[arg-type]
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                told = getattr(parameter, "help", None)
                assert told, f"{name}: {parameter.name}"
                assert told in shown, f"{name}: {parameter.name}"


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_paragraph_breaks_where_the_terminal_ends_and_nowhere_else(role: str) -> None:
    for name, command in commands(role, load(ROLES[role])):
        shown = CliRunner().invoke(command, ["--help"], env=WIDE).output  # type: ignore[arg-type]
        lines = [" ".join(line.split()) for line in shown.splitlines()]
        for paragraph in (command.help or "").split("\n\n"):
            assert " ".join(paragraph.split()) in lines, name
