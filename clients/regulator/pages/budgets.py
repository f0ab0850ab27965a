"""Institutions, what they spent, and when it runs out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from clients.regulator.pages.material import LedgerSeen
from clients.regulator.pages.reading import View
from clients.regulator.pages.table import Column, Row, Table, Value
from federation.ledger.budget import Scope
from federation.ledger.burndown import BurnDown, burn_down

_INSTITUTION = Column("institution", "Institution", choice=True)


def current(view: View) -> Iterator[LedgerSeen]:
    """Each institution's ledger in use: the last one that the log has of it."""
    newest = {ledger.institution: ledger for ledger in view.material.ledgers.values()}
    yield from (newest[name] for name in sorted(newest))


def burn_downs(ledger: LedgerSeen, now: float) -> tuple[BurnDown, ...]:
    """Year and lifetime under the caps that the ledger states; none before its first charge."""
    caps = ledger.caps()
    return () if caps is None else burn_down(ledger.charges, caps, now=datetime.fromtimestamp(now, UTC))


def institutions(view: View, now: float) -> Table:
    ledgers = {ledger.institution: ledger for ledger in current(view)}
    rows = []
    for name in sorted({*view.material.members, *ledgers}):
        position, member = view.material.members.get(name, (None, None))
        ledger = ledgers.get(name)
        values: dict[str, Value] = {
            "institution": name,
            "standing": "not admitted" if member is None else member.standing,
            "since": position,
            "records": None if member is None else member.nominal_records,
            "entries": 0 if ledger is None else ledger.entries,
            "refused": 0 if ledger is None else ledger.refused,
        }
        red = [problem.text for problem in view.problems if problem.institution == name]
        for scope in burn_downs(ledger, now) if ledger is not None else ():
            values[f"{scope.scope.value}_spent"], values[f"{scope.scope.value}_cap"] = scope.spent, scope.cap
            red += _over(view, scope)
        rows.append(Row(values, "; ".join(red[:3])))
    columns = (
        _INSTITUTION,
        Column("standing", "Standing", choice=True),
        Column("since", "Since entry", number=True),
        Column("records", "Nominal records", number=True),
        Column("year_spent", "Epsilon this year", number=True),
        Column("year_cap", "Cap", number=True),
        Column("lifetime_spent", "Epsilon of lifetime", number=True),
        Column("lifetime_cap", "Cap", number=True),
        Column("entries", "Ledger entries", number=True),
        Column("refused", "Refused", number=True),
    )
    return Table("institutions", "Institutions and their budgets", columns, tuple(rows))


def budgets(view: View, now: float) -> Table:
    rows = []
    for ledger in current(view):
        for scope in burn_downs(ledger, now):
            last = next(
                (
                    a
                    for e in reversed(ledger.charges)
                    for a in e.amounts
                    if (a.scope, a.key) == (scope.scope, scope.key)
                ),
                None,
            )
            values: dict[str, Value] = {
                "institution": ledger.institution,
                "scope": scope.scope.value,
                "key": scope.key or "all years",
                "spent": scope.spent,
                "cap": scope.cap,
                "remaining": scope.remaining,
                "delta": None if last is None else last.delta,
                "pld": None if last is None else last.pld,
                "prv": None if last is None else last.prv,
                "pace": scope.pace,
                "exhausted": f"{scope.exhausted:%Y-%m-%d}" if scope.exhausted else "not at this pace",
                "plans_left": scope.plans_left,
            }
            rows.append(Row(values, "; ".join(_over(view, scope))))
    columns = (
        _INSTITUTION,
        Column("scope", "Scope", choice=True),
        Column("key", "Of"),
        Column("spent", "Epsilon spent", number=True),
        Column("cap", "Cap", number=True),
        Column("remaining", "Left", number=True),
        Column("delta", "Delta", number=True),
        Column("pld", "PLD", number=True),
        Column("prv", "PRV", number=True),
        Column("pace", "A day", number=True),
        Column("exhausted", "Projected exhaustion"),
        Column("plans_left", "Plans left", number=True),
    )
    return Table("budgets", "Burn-down: year and lifetime, at the pace so far", columns, tuple(rows))


def runs(view: View, _now: float) -> Table:
    rows = []
    for ledger in view.material.ledgers.values():
        last = {charge.release.run_id: charge for charge in ledger.charges if charge.release is not None}
        for run, charge in last.items():
            amount, release = charge.amount(Scope.RUN), charge.release
            if amount is None or release is None:
                continue
            limit = view.policy.caps.run
            over = f"{amount.capped:.4f} is over the policy's {limit:g}" if amount.capped > limit + 1e-9 else ""
            values: dict[str, Value] = {
                "institution": ledger.institution,
                "run_id": run,
                "epsilon": amount.pld,
                "prv": amount.prv,
                "cap": amount.cap,
                "delta": amount.delta,
                "unit": release.unit.replace("_", " "),
                "adjacency": release.adjacency.replace("_", " "),
                "vintage": release.vintage,
                "last": f"{charge.time:%Y-%m-%d %H:%M}",
            }
            rows.append(Row(values, over))
    columns = (
        _INSTITUTION,
        Column("run_id", "Run", choice=True),
        Column("epsilon", "Epsilon (PLD)", number=True),
        Column("prv", "PRV", number=True),
        Column("cap", "Cap", number=True),
        Column("delta", "Delta", number=True),
        Column("unit", "Unit"),
        Column("adjacency", "Adjacency"),
        Column("vintage", "Data vintage"),
        Column("last", "Last charge (UTC)"),
    )
    return Table("runs", "Epsilon of each run", columns, tuple(rows))


def _over(view: View, scope: BurnDown) -> list[str]:
    limit = float(getattr(view.policy.caps, scope.scope.value))
    if scope.spent <= limit + 1e-9 and scope.cap <= limit + 1e-9:
        return []
    return [f"{scope.scope.value}: {scope.spent:.4f} under a cap of {scope.cap:g}, the policy allows {limit:g}"]
