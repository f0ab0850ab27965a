"""Audits, replays and inquiries: what was asked, what came out."""

from __future__ import annotations

from datetime import UTC, datetime

from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value
from clients.regulator.plans import without_trainer
from federation.oversight.audits import audit_rows
from federation.oversight.replay import Draw, ReplayResult
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, Statement

_INSTITUTION = Column("institution", "Institution", choice=True)


def audits(view: View, now: float) -> Table:
    """Claimed beside measured; red where more was measured than is claimed, a check failed, or the answer is late."""
    keys = {name: VerifyingKey.from_hex(said.key) for name, (_, said) in view.material.members.items()}
    rows = []
    for each in audit_rows(view.material.statements, keys, view.policy.regulator):
        result = each.result
        nothing = without_trainer(view.material.there.plans.by_hash.get(each.plan_hash), each.institution)
        late = each.overdue(now) and not nothing
        values: dict[str, Value] = {
            "institution": each.institution,
            "kind": each.kind,
            "plan": each.plan_hash[:16],
            "asked": each.asked,
            "answered": each.place,
            "claimed": None if result is None else result.claimed,
            "measured": None if result is None else result.measured,
            "confidence": None if result is None else result.confidence,
            "outcome": _outcome(late, nothing) if result is None else "passed" if result.passed else "failed",
            "failed": "" if result is None else ", ".join(result.failed),
        }
        reasons = []
        if result is not None and result.exceeded:
            reasons.append(f"measured {result.measured:.4f} exceeds claimed {result.claimed:.4f}")
        if result is not None and not result.passed:
            reasons.append(f"failed: {', '.join(result.failed)}")
        if late:
            reasons.append("not answered in time")
        rows.append(Row(values, "; ".join(reasons)))
    columns = (
        _INSTITUTION,
        Column("kind", "Audit", choice=True),
        Column("plan", "Plan", code=True),
        Column("asked", "Asked at entry", number=True),
        Column("answered", "Answered at", number=True),
        Column("claimed", "Claimed epsilon", number=True),
        Column("measured", "Measured epsilon", number=True),
        Column("confidence", "Confidence", number=True),
        Column("outcome", "Outcome", choice=True),
        Column("failed", "Failed checks"),
    )
    return Table("audits", "Audits of the trainer: claimed and measured", columns, tuple(rows))


def replays(view: View, now: float) -> Table:
    """Every draw, with what came out."""
    results: dict[str, tuple[int, ReplayResult]] = {}
    draws: list[tuple[int, str, Draw]] = []
    for position, entry in view.material.statements:
        try:
            if entry.kind == Draw.kind:
                draws.append((position, entry.hash.hex(), Draw.read(entry, view.policy.regulator)))
            elif entry.kind == ReplayResult.kind:
                said = _result_of_member(view, entry)
                results.setdefault(said.draw, (position, said))
        except ProtocolError:
            continue
    rows = []
    for position, leaf, draw in draws:
        at, result = results.get(leaf, (None, None))
        matching = result if result is not None and result.institution == draw.institution else None
        nothing = None if view.material.there.begun(draw.institution, draw.place) else "no such attempt in the log"
        late = matching is None and now > draw.deadline and nothing is None
        values: dict[str, Value] = {
            "institution": draw.institution,
            "run_id": draw.run_id,
            "phase": draw.phase,
            "round": draw.round,
            "attempt": draw.attempt,
            "drawn": position,
            "deadline": f"{datetime.fromtimestamp(draw.deadline, UTC):%Y-%m-%d}",
            "answered": at if matching is not None else None,
            "outcome": _outcome(late, nothing) if matching is None or nothing else _came_of(matching),
            "findings": "" if matching is None else ", ".join(matching.findings),
        }
        red = "not answered in time" if late else ""
        if matching is not None and not matching.matches and not matching.aborted and nothing is None:
            red = f"the round computed again is not the one that was sent: {', '.join(matching.findings)}"
        rows.append(Row(values, red))
    columns = (
        _INSTITUTION,
        Column("run_id", "Run", choice=True),
        Column("phase", "Phase"),
        Column("round", "Round", number=True),
        Column("attempt", "Attempt", number=True),
        Column("drawn", "Drawn at entry", number=True),
        Column("deadline", "Answer by"),
        Column("answered", "Answered at", number=True),
        Column("outcome", "Outcome", choice=True),
        Column("findings", "Findings"),
    )
    return Table("replays", "Rounds drawn for replay", columns, tuple(rows))


def commitments(view: View, _now: float) -> Table:
    rows = [Row({"institution": name, "count": count}) for name, count in sorted(view.material.commitments.items())]
    columns = (_INSTITUTION, Column("count", "Commitments before rounds", number=True))
    return Table("commitments", "Replay commitments", columns, tuple(rows))


def inquiries(view: View, _now: float) -> Table:
    rows = [
        Row({"querier": querier, "purpose": purpose, "epoch": epoch[:16], "count": count})
        for (epoch, querier, purpose), count in sorted(view.material.inquiries.items())
    ]
    columns = (
        Column("purpose", "Purpose", choice=True),
        Column("querier", "Querier", choice=True),
        Column("epoch", "Epoch", code=True, choice=True),
        Column("count", "Inquiries", number=True),
    )
    return Table("inquiries", "Inquiries by purpose, as committed in the log", columns, tuple(rows))


def epochs(view: View, _now: float) -> Table:
    counters = sorted({counter for counter, _ in view.material.steps})
    rows = [
        Row(
            {
                "epoch": counter,
                "steps": sum(count for (number, _), count in view.material.steps.items() if number == counter),
                "kinds": ", ".join(sorted({kind for number, kind in view.material.steps if number == counter})),
            }
        )
        for counter in counters
    ]
    columns = (
        Column("epoch", "Epoch", number=True),
        Column("steps", "Steps on record", number=True),
        Column("kinds", "Which"),
    )
    return Table("epochs", "Epochs of private queries", columns, tuple(rows))


def _result_of_member(view: View, entry: Entry) -> ReplayResult:
    said = ReplayResult.from_json(Statement.read(entry).content)
    member = view.material.members.get(said.institution)
    key = member[1].key if member is not None else "00" * 32
    return ReplayResult.read(entry, VerifyingKey.from_hex(key))


def _came_of(result: ReplayResult) -> str:
    return "matches" if result.matches else "aborted, nothing released" if result.aborted else "differs"


def _outcome(late: bool, nothing: str | None) -> str:
    """`nothing`: why no answer is owed."""
    return nothing or ("overdue" if late else "awaited")
