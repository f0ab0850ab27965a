"""The log itself: its checkpoints and witnesses, what was refused, and what verification says."""

from __future__ import annotations

from datetime import UTC, datetime

from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value
from protocols.printable import printable


def log(view: View, now: float) -> Table:
    held, newest = view.held, view.newest
    last = max((time for _, time in view.witnesses if time is not None), default=None)
    alarmed = next((each.text for each in view.problems if each.what.startswith("log_")), "")
    changed = next((each.text for each in view.problems if each.what in ("copy", "checkpoint")), "")
    facts: list[tuple[str, Value, str]] = [
        ("origin", view.policy.log.name, ""),
        ("entries", view.size, changed),
        ("checkpoint", None if newest is None else newest.size, changed),
        ("root", "" if newest is None else newest.root.hex(), changed),
        ("first seen here", "" if held is None else time_text(held.seen_at), ""),
        ("last witness", "none" if last is None else f"{time_text(last)}, {_ago(now - last)} ago", ""),
        ("quorum", "yes" if not view.quorum else f"no: {view.quorum}", view.quorum),
        ("consistency", f"broken: {alarmed}" if alarmed else "only appended to, as far as this copy goes", alarmed),
    ]
    rows = tuple(Row({"fact": name, "value": value}, red) for name, value, red in facts)
    return Table("log", "Health of the log", (Column("fact", "What"), Column("value", "Value", code=True)), rows)


def witnesses(view: View, _now: float) -> Table:
    rows = [
        Row(
            {
                "witness": name,
                "cosigned": "no" if time is None else "yes",
                "time": "" if time is None else time_text(time),
            }
        )
        for name, time in view.witnesses
    ]
    columns = (
        Column("witness", "Witness"),
        Column("cosigned", "Cosigned the newest checkpoint", choice=True),
        Column("time", "When (UTC)"),
    )
    return Table("witnesses", "Witnesses of the policy", columns, tuple(rows))


def kinds(view: View, _now: float) -> Table:
    rows = [Row({"kind": kind, "count": count}) for kind, count in sorted(view.account_kinds.items())]
    return Table(
        "kinds", "Entries by kind", (Column("kind", "Kind"), Column("count", "Entries", number=True)), tuple(rows)
    )


def refusals(view: View, _now: float) -> Table:
    rows = [
        Row(
            {
                "institution": each.institution,
                "by": each.by,
                "code": each.code,
                "run_id": each.run_id,
                "entry": each.position,
                "time": each.time,
                "text": printable(each.text, 300),
            }
        )
        for each in reversed(view.material.refusals)
    ]
    columns = (
        Column("institution", "Institution", choice=True),
        Column("by", "Refused by", choice=True),
        Column("code", "Code", choice=True),
        Column("run_id", "Run", choice=True),
        Column("entry", "Log entry", number=True),
        Column("time", "Time (UTC)"),
        Column("text", "Why"),
    )
    return Table("refusals", "Refusals, the newest first", columns, tuple(rows))


def steps(view: View, _now: float) -> Table:
    """The last complete verification."""
    at, verdict = view.verdict or (0.0, {"steps": []})
    rows = []
    for step in verdict["steps"]:
        values: dict[str, Value] = {
            "step": step["number"],
            "title": step["title"],
            "outcome": step["outcome"],
            "found": "; ".join([*step["facts"], *step["notes"]][:6]),
        }
        first = f"; first: {step['first']}" if step["first"] else ""
        red = "" if step["outcome"] == "holds" else f"{step['outcome']}, {step['failures']} failures{first}"
        rows.append(Row(values, red))
    columns = (
        Column("step", "Step", number=True),
        Column("title", "What"),
        Column("outcome", "Outcome", choice=True),
        Column("found", "What was found"),
    )
    caption = f"The last complete verification, {time_text(at)}" if view.verdict else "The last complete verification"
    return Table("steps", caption, columns, tuple(rows), "Not run yet: `fedscore regulator check` runs it now.")


def alerts(view: View, _now: float) -> Table:
    rows = [
        Row(
            {
                "number": each.number,
                "time": time_text(each.at),
                "code": each.code,
                "place": each.place,
                "text": printable(each.text, 400),
            }
        )
        for each in view.alerts
    ]
    columns = (
        Column("number", "Number", number=True),
        Column("time", "Time (UTC)"),
        Column("code", "Code", choice=True),
        Column("place", "Place"),
        Column("text", "What was found"),
    )
    return Table("alerts", "Alerts, the newest first", columns, tuple(rows))


def time_text(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"


def _ago(seconds: float) -> str:
    for size, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {name}"
    return f"{max(0, int(seconds))} seconds"
