"""An answer on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.institution.lookup.questions import Answer
from federation.lookup.outcome import Freshness, NoHit, Scored, ThinFile, Unavailable

_LOGGED = "it counts as a ticket of the day, and a receipt given with it is used up; asking again is another question"
_NOT_LOGGED = "nothing was logged: no ticket of the day and no receipt is used up"


def show(answer: Answer, console: Console) -> None:
    """Score, band, parts and reasons; or the outcome and why there is no score. The identifier is not repeated."""
    outcome = answer.outcome
    match outcome:
        case Scored():
            console.print(f"[bold]{outcome.score:.0f}[/bold]  {escape(outcome.band)}", highlight=False)
            console.print(_members(outcome.members, own=outcome.own), highlight=False)
            _parts(outcome, console)
            if not outcome.calibrated:
                why = "the federation did not evaluate the model, or its evaluation rests on too few records for that"
                console.print(f"not calibrated: {why}", highlight=False, soft_wrap=True)
            _fresh(outcome.freshness, console)
        case ThinFile():
            console.print("[bold]thin_file[/bold]  members know the subject, none of them enough for a score")
            console.print(_members(outcome.members, own=outcome.own), highlight=False)
            _fresh(outcome.freshness, console)
        case NoHit():
            console.print("[bold]no_hit[/bold]  no member knows the subject")
            _fresh(outcome.freshness, console)
        case Unavailable():
            console.print(
                f"[bold]unavailable[/bold]  {escape(outcome.party)}: {escape(outcome.reason)}", highlight=False
            )
            console.print(_LOGGED if answer.leaf_hash else _NOT_LOGGED, highlight=False, soft_wrap=True)


def _members(members: int, *, own: bool) -> str:
    return f"known to {members} institution{'s' if members != 1 else ''}{', this one included' if own else ''}"


def _parts(outcome: Scored, console: Console) -> None:
    if outcome.parts is not None:
        table = Table("part", "points")
        table.columns[1].justify = "right"
        for name, points in outcome.parts.items():
            table.add_row(escape(name), f"{points:.1f}")
        console.print(table)
    for reason in outcome.reasons:
        console.print(f"  {reason.points:6.1f}  {escape(reason.dimension)}", highlight=False)


def _fresh(freshness: Freshness, console: Console) -> None:
    moment = datetime.fromtimestamp(freshness.as_of, UTC)
    console.print(f"as of {moment:%Y-%m-%d %H:%M} UTC, epoch {freshness.counter}", highlight=False)
