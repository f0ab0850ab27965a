"""Spot checks of inquiries: what was drawn, and what the openings gave for each querier. No person is in the log."""

from __future__ import annotations

from datetime import UTC, datetime

from clients.regulator.inquiries.draws import DrawSeen
from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value
from protocols.consent.draw import MILLION, detection

FORGED = 10


def draws(view: View, _now: float) -> Table:
    """Every draw, with its chance to find one of ten inquiries without consent."""
    rows = []
    for leaf, seen in sorted(view.draws.items(), key=lambda each: each[1].index):
        said = seen.revealed
        values: dict[str, Value] = {
            "draw": leaf[:16],
            "entry": seen.index,
            "first": seen.draw.first,
            "size": seen.draw.size,
            "holders": ", ".join(seen.draw.seeds),
            "rate": seen.draw.rate / MILLION,
            "chance": detection(FORGED, seen.draw.rate),
            "inquiries": None if said is None else seen.leaves,
            "drawn": None if said is None else len(seen.sample),
            "outcome": "void" if seen.void else "committed" if said is None else "revealed",
        }
        rows.append(Row(values))
    columns = (
        Column("draw", "Draw", code=True),
        Column("entry", "Entry", number=True),
        Column("first", "From entry", number=True),
        Column("size", "At size", number=True),
        Column("holders", "Seeds of"),
        Column("rate", "Share", number=True),
        Column("chance", f"Chance to find one of {FORGED} forged", number=True),
        Column("inquiries", "Inquiries", number=True),
        Column("drawn", "Drawn", number=True),
        Column("outcome", "State", choice=True),
    )
    return Table("draws", "Spot checks", columns, tuple(rows))


def verdicts(view: View, now: float) -> Table:
    """What each querier of a sample showed; red where an inquiry is broken, or the regulator owes a verdict."""
    rows = []
    for leaf, seen in sorted(view.draws.items(), key=lambda each: each[1].index):
        for querier in sorted({each.querier for each in seen.sample.values()}):
            rows.append(_verdict(leaf, seen, querier, now))
    columns = (
        Column("querier", "Querier", choice=True),
        Column("draw", "Draw", code=True, choice=True),
        Column("drawn", "Drawn", number=True),
        Column("hard", "Hard, with consent", number=True),
        Column("soft", "Soft, with consent", number=True),
        Column("broken", "Broken", number=True),
        Column("rules", "Rules"),
        Column("deadline", "Open by"),
        Column("outcome", "Outcome", choice=True),
    )
    return Table("verdicts", "Inquiries that were opened to the regulator", columns, tuple(rows))


def _verdict(leaf: str, seen: DrawSeen, querier: str, now: float) -> Row:
    said = seen.verdicts.get(querier)
    assert seen.revealed is not None  # noqa: S101 (there is a sample)
    rules = () if said is None else sorted({str(each.rule) for each in said.broken})
    late = said is None and now > seen.revealed.deadline
    outcome = "late" if late else "awaited" if said is None else "broken" if said.failed else "holds"
    values: dict[str, Value] = {
        "querier": querier,
        "draw": leaf[:16],
        "drawn": len(seen.of(querier)),
        "hard": None if said is None else said.hard,
        "soft": None if said is None else said.soft,
        "broken": None if said is None else said.failed,
        "rules": ", ".join(rules),
        "deadline": f"{datetime.fromtimestamp(seen.revealed.deadline, UTC):%Y-%m-%d %H:%M}",
        "outcome": outcome,
    }
    reasons = {"late": "the deadline is over, and there is no verdict", "broken": f"broken: {', '.join(rules)}"}
    return Row(values, reasons.get(outcome, ""))
