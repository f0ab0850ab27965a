"""What a person may ask, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from rich.console import Console
from rich.markup import escape

from clients.institution.person.case import Case
from clients.institution.person.desk import Desk
from clients.institution.person.inquiries import Inquiry
from clients.institution.person.own_record import OwnRecord, OwnScore
from clients.institution.person.remains import Kept, Models
from clients.institution.person.retention import Due
from clients.institution.scoring_view import show_subject
from federation.jurisdiction import Profile
from federation.runtime.sheet import Sheet
from protocols.printable import printable


def show_own(
    desk: Desk,
    record: OwnRecord,
    score: OwnScore,
    inquiries: Sequence[Inquiry],
    cases: Sequence[Case],
    today: date,
    console: Console,
) -> None:
    """Record, score, inquiries, cases."""
    if not record.held:
        console.print("Erased: nothing reads this record." if record.erased else "No record of this person here.")
    else:
        sheet = Sheet("what", "says", "corrected", title="The record as it counts")
        for item in record.items:
            before = f"the file says {item.corrected_from}" if item.corrected else ""
            sheet.add(_clean(item.title), _clean(item.text), _clean(before))
        sheet.show(console)
        if record.further:
            console.print(
                f"The file has {len(record.further)} more rows of this person: --json and `export` show them."
            )
    if score.problem:
        console.print(_clean(f"No score: {score.problem}"))
    elif score.score is None:
        console.print("No score: name a model with --model, or as lookup.model in institution.toml.")
    else:
        show_subject(score.score, desk.catalogue, console)
    show_inquiries(inquiries, console)
    show_cases(cases, desk.profile, today, console)


def show_inquiries(inquiries: Sequence[Inquiry], console: Console) -> None:
    if not inquiries:
        console.print("No inquiry is known.")
        return
    sheet = Sheet("day", "who", "why", "kind", "logged as", title="Inquiries")
    for each in inquiries:
        row = (each.day.isoformat(), each.querier, each.purpose, each.inquiry or "not said", each.leaf.hex()[:16])
        sheet.add(*map(_clean, row))
    sheet.show(console)


def show_cases(cases: Sequence[Case], profile: Profile, today: date, console: Console) -> None:
    if not cases:
        console.print("No case.")
        return
    sheet = Sheet("case", "request", "state", "received", "result", "owed", title=f"Cases ({profile.title})")
    for case in cases:
        owed = ", ".join(f"{o.what} by {o.due}{', LATE' if o.late(today) else ''}" for o in case.owed(profile))
        result = "" if case.result is None else f"{case.result}: {case.why or ''}"
        row = (case.id[:12], str(case.request), case.state, case.received.isoformat(), result, owed)
        sheet.add(*map(_clean, row))
    sheet.show(console)
    console.print(profile.notice)


def show_erased(models: Models, kept: Iterable[Kept], console: Console) -> None:
    """What remains, in words."""
    console.print(models.words)
    sheet = Sheet("stays", "until", "why")
    for each in kept:
        sheet.add(_clean(each.what), "no set day" if each.until is None else each.until.isoformat(), _clean(each.why))
    sheet.show(console)


def show_due(due: Iterable[Due], console: Console) -> None:
    """What the retention clocks say."""
    sheet = Sheet("what", "over", "kept for", "state", "by")
    for each in due:
        state = "the institution's own to remove" if not each.ours else "erased now" if each.swept else "due: --do"
        years = f"{each.years} years from {each.counted_from}"
        sheet.add(_clean(each.what), f"{each.count:,}", years, state if each.count else "", _clean(each.source))
    sheet.show(console)


def _clean(text: str) -> str:
    return escape(printable(text))
