"""A run's events as a person watches them: a bar with the time left, and a line for whatever did not go well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from federation.rounds.refusals import Code


class Watch:
    """Takes events of the round driver and of the loop that submits it. On a terminal a bar, elsewhere lines."""

    def __init__(self, progress: Progress, task: TaskID, console: Console) -> None:
        self._progress, self._task, self._console = progress, task, console

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind = str(event.get("event"))
        if kind in ("averaged", "resumed"):
            self._progress.update(self._task, completed=int(event["round"]))
        if stage := _stage(kind, event):
            self._progress.update(self._task, description=stage)
        for line in notable(event, every_round=not self._console.is_terminal):
            self._console.print(escape(line), highlight=False)


@contextmanager
def watching(rounds: int, console: Console) -> Iterator[Watch]:
    """A progress bar over `rounds`, removed when the block ends."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Watch(progress, progress.add_task("waiting for the members", total=rounds), console)


def notable(event: Mapping[str, Any], *, every_round: bool) -> Iterator[str]:
    """The lines worth keeping of one event: refusals, silences, losses; every round too where there is no bar."""
    kind = event.get("event")
    if kind == "approved":
        yield f"plan {str(event.get('plan'))[:16]} approved by every member"
    elif kind == "resumed" and event.get("round"):
        yield f"resumed after round {event['round']}"
    elif kind == "lost":
        yield f"the round driver was lost ({event.get('state')}): submitting the run again"
    elif kind == "refused":
        yield from _refused(event)
    elif kind == "waiting" and every_round:
        yield _waiting(event)
        if event.get("undecided"):
            yield "there: `fedscore institution partners` (whose keys are not accepted), `fedscore institution plans`"
    elif kind == "round":
        yield from _missing(event)
    elif kind == "averaged" and every_round:
        yield f"round {event.get('round')} averaged in {event.get('seconds')} s"


def _refused(event: Mapping[str, Any]) -> Iterator[str]:
    """Where a node refused, `where` starts with its own code. That a person decides is said while waiting."""
    where = str(event.get("where", ""))
    if where.startswith(Code.APPROVAL_PENDING):
        return
    told = where if event.get("code") == Code.REFUSED and where else event.get("code")
    details = f": got {event['got']}, expected {event['expected']}" if {"got", "expected"} <= event.keys() else ""
    yield f"{event.get('institution')} refused: {told}{details}"


def _waiting(event: Mapping[str, Any]) -> str:
    who = [f"{name} (no answer)" for name in event.get("silent", ())]
    who += [f"{name} (a person decides)" for name in event.get("undecided", ())]
    return f"waiting for {', '.join(who)}, {event.get('seconds')} s"


def _missing(event: Mapping[str, Any]) -> Iterator[str]:
    where = f"round {event.get('round')}" if event.get("phase") == "train" else "evaluation"
    for institution, code in dict(event.get("refused", {})).items():
        yield f"{where}: {institution} not counted ({code})"
    for institution in event.get("silent", ()):
        yield f"{where}: no answer from {institution}"


def _stage(kind: str, event: Mapping[str, Any]) -> str | None:
    """What the bar says from here on; None: nothing new."""
    if kind == "waiting":
        return _waiting(event)
    stages = {
        "submitted": "waiting for the members",
        "approved": "training",
        "resumed": "training",
        "averaged": f"round {event.get('round')} averaged",
        "lost": "starting again",
        "evaluated": "evaluated",
        "done": "done",
    }
    return stages.get(kind)
