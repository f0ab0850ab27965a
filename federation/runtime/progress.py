"""How far long work is: one bar for each kind of work, with the time left.

with showing(console) as report:
    report("entries", 2_000, 100_000)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Report(Protocol):
    """Hears how far one kind of work is."""

    def __call__(self, what: str, done: int, total: int, /) -> None: ...


def unheard(what: str, done: int, total: int, /) -> None:
    """A report that nobody reads."""


@contextmanager
def showing(console: Console) -> Iterator[Report]:
    """Bars on a terminal, removed when the block ends; elsewhere one line when a kind of work is done."""
    from rich.markup import escape  # processes that report to nobody need none of this
    from rich.progress import (
        BarColumn,
        Progress,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def report(what: str, done: int, total: int, /) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(escape(what), total=total)
            progress.update(tasks[what], completed=done, total=total)
            if done >= total and not console.is_terminal:
                console.print(f"{escape(what)}: done", highlight=False)

        yield report
