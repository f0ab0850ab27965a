"""Progress of an institution's work for an epoch: one bar for each kind of work, with the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from clients.institution.lookup.part import Report


@contextmanager
def showing(console: Console) -> Iterator[Report]:
    """Bars on a terminal, removed when the block ends; elsewhere one line when a kind of work is done."""
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
