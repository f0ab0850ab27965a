"""Consent: whose receipts each epoch takes, what was drawn, what the openings gave. No person is in the log."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from clients.regulator.inquiries.draws import DrawSeen
from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value
from protocols.consent.draw import MILLION, detection

FORGED = 10
OVERDUE = "the log has its size, and its seeds are not said: nothing else is drawn from these inquiries meanwhile"
WITHOUT = "no: asks WITHOUT consent"


def consent(view: View, _now: float) -> Table:
    """Every epoch whose members all signed: who may state keys, whether receipts are needed, what was spot-checked.

    An epoch without authorities is not red: its members chose it. It has nothing to open.
    """
    asked = Counter[str]()
    for (named, _, _), count in view.material.inquiries.items():
        asked[named] += count
    drawn = view.material.asked.by_epoch({at for seen in view.draws.values() for at in seen.sample})
    rules = _rules(view)
    rows = []
    for context in sorted(view.epochs.values(), key=lambda each: each.signed.layout.counter):
        epoch, authorities = context.epoch_id.hex(), context.roster.authorities
        found = rules.get(epoch, Counter())
        values: dict[str, Value] = {
            "epoch": context.signed.layout.counter,
            "id": epoch[:16],
            "receipts": "needed" if context.roster.needs_consent else WITHOUT,
            "authorities": ", ".join(f"{each.name} ({each.key.key_id})" for each in authorities),
            "inquiries": asked[epoch],
            "drawn": drawn[epoch],
            "broken": found.total(),
            "rules": ", ".join(sorted(found)),
        }
        rows.append(Row(values, f"broken: {values['rules']}" if found else ""))
    columns = (
        Column("epoch", "Epoch", number=True),
        Column("id", "Id", code=True),
        Column("receipts", "Receipts", choice=True),
        Column("authorities", "Authorities of its roster"),
        Column("inquiries", "Inquiries", number=True),
        Column("drawn", "Drawn so far", number=True),
        Column("broken", "Broken", number=True),
        Column("rules", "Rules"),
    )
    return Table("consent", "Whether each epoch asks with consent", columns, tuple(rows))


def _rules(view: View) -> dict[str, Counter[str]]:
    """What verdicts found broken, by epoch and rule; each inquiry once, as the newest draw's verdict says."""
    broken: dict[int, str] = {}
    for _, seen in sorted(view.draws.items(), key=lambda each: each[1].index):
        for querier, said in seen.verdicts.items():
            broken = {at: rule for at, rule in broken.items() if at not in seen.of(querier)}
            broken |= {each.index: str(each.rule) for each in said.broken}
    found: dict[str, Counter[str]] = {}
    for index, rule in broken.items():
        for epoch in view.material.asked.by_epoch([index]):
            found.setdefault(epoch, Counter())[rule] += 1
    return found


def draws(view: View, _now: float) -> Table:
    """Every draw, with its chance to find one of ten inquiries without consent, and what came of it so far.

    Red where the regulator owes its seeds.
    """
    rows = []
    for leaf, seen in sorted(view.draws.items(), key=lambda each: each[1].index):
        said, verdicts = seen.revealed, seen.verdicts.values()
        awaited = {each.querier for each in seen.sample.values()} - seen.verdicts.keys()
        state = "void" if seen.void else "committed" if said is None else "revealed" if awaited else "judged"
        if seen.open and view.size >= seen.draw.size:
            state = "overdue"
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
            "hold": None if said is None else sum(each.hard + each.soft for each in verdicts),
            "broken": None if said is None else sum(each.failed for each in verdicts),
            "outcome": state,
        }
        rows.append(Row(values, OVERDUE if state == "overdue" else ""))
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
        Column("hold", "Hold", number=True),
        Column("broken", "Broken", number=True),
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
