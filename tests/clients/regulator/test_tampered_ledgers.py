"""Institutions that lie about what they spent: well signed, and in concert with coordinator, log and witnesses.

`judge` holds each lie to exactly the steps that notice it, and shows that without them the export passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from oversight_federation import Federation, audited, honest, make_plan
from oversight_lies import first, judge, numbered, rewritten
from oversight_world import BANKS, NOMINAL, World, key_of, ledger_entry, member

from clients.regulator.verify import verify
from federation.ledger.accountant import published_accountant
from federation.ledger.budget import Scope, measure
from federation.ledger.charges import composition, unit
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import Kind
from protocols.transparency import Statement

LAST = 5  # bank-b's last reservation: of the evaluation


def amounts(change: Callable[[Any], Any]) -> Callable[[LedgerEntry], LedgerEntry]:
    """Every amount of an entry changed."""
    return lambda entry: replace(entry, amounts=tuple(change(amount) for amount in entry.amounts))


def lowered(figure: str, scope: Scope, by: float) -> Callable[[LedgerEntry], LedgerEntry]:
    """One figure of one scope, stated lower."""
    return amounts(
        lambda amount: replace(amount, **{figure: getattr(amount, figure) - by}) if amount.scope is scope else amount
    )


@pytest.mark.parametrize("figure", ["pld", "prv", "rdp"])
@pytest.mark.parametrize("scope", list(Scope))
def test_an_epsilon_stated_lower(tmp_path: Path, figure: str, scope: Scope) -> None:
    by = 0.002 if figure == "rdp" else 0.025  # not so far that the amount would decrease
    world = rewritten(honest(), "bank-b", numbered([LAST, LAST + 1], lowered(figure, scope, by)))
    verdict = judge(world, tmp_path, {7})
    at = first(verdict, 7)
    assert (at.where, at.institution, at.sequence) == (f"amounts.{scope}.{figure}", "bank-b", LAST)


def test_an_epsilon_stated_higher_is_no_better(tmp_path: Path) -> None:
    world = rewritten(honest(), "bank-b", numbered([LAST, LAST + 1], lowered("rdp", Scope.RUN, -0.01)))
    judge(world, tmp_path, {7})


def test_a_renyi_figure_stated_a_little_lower_in_the_middle(tmp_path: Path) -> None:
    world = rewritten(honest(), "bank-b", numbered([3, 4], lowered("rdp", Scope.YEAR, 1e-4)))
    verdict = judge(world, tmp_path, {7})
    assert first(verdict, 7).sequence == 3


def test_a_pld_figure_in_the_middle_is_found_where_it_is_drawn(tmp_path: Path) -> None:
    """It moves no cap; whoever wants certainty draws every entry."""
    world = rewritten(honest(), "bank-b", numbered([1, 2], lowered("pld", Scope.RUN, 0.05)))
    judge(world, tmp_path, {7}, accounting={"sample": 10_000})
    assert verify(world.export(tmp_path / "few.zip"), world.policy(accounting={"sample": 0})).holds


def test_an_amount_that_decreases(tmp_path: Path) -> None:
    world = rewritten(honest(), "bank-b", numbered([LAST, LAST + 1], lowered("rdp", Scope.YEAR, 0.5)))
    assert [
        step.number for step in verify(world.export(tmp_path / "e.zip"), world.policy()).steps if step.findings
    ] == [3, 7]


def test_the_accountant_reset_every_round(tmp_path: Path) -> None:
    def alone(entry: LedgerEntry) -> LedgerEntry:
        """Stated as if nothing had been charged before."""
        assert entry.release is not None
        events = [entry.release.event]
        return replace(entry, amounts=tuple(measure(each, events, published_accountant) for each in entry.amounts))

    world = rewritten(honest(), "bank-b", alone)
    failed = [step.number for step in verify(world.export(tmp_path / "e.zip"), world.policy()).steps if step.findings]
    assert failed == [3, 7]


def stated(sigma: float, order_of_cap: dict[Scope, float] | None = None) -> Callable[[LedgerEntry], LedgerEntry]:
    """Another noise multiplier in training rounds, every amount computed from it: a ledger at peace with itself."""
    steps: dict[Any, int] = {}

    def change(entry: LedgerEntry) -> LedgerEntry:
        assert entry.release is not None
        event = entry.release.event
        if entry.release.phase == "train":
            event = replace(event, noise_multiplier=sigma)
        if entry.kind is Kind.RESERVE:
            steps[unit(event)] = steps.get(unit(event), 0) + event.steps
        listed = tuple(measure(each, composition(steps), published_accountant) for each in entry.amounts)
        return replace(entry, amounts=listed, release=replace(entry.release, event=event))

    return change


def test_more_noise_stated_than_the_plan_says(tmp_path: Path) -> None:
    verdict = judge(rewritten(honest(), "bank-b", stated(8.0)), tmp_path, {8})
    at = first(verdict, 8)
    assert (at.where, at.institution, at.sequence) == ("release.event", "bank-b", 1)


def test_more_noise_stated_without_the_epsilon_to_it(tmp_path: Path) -> None:
    def change(entry: LedgerEntry) -> LedgerEntry:
        assert entry.release is not None
        event = replace(entry.release.event, noise_multiplier=entry.release.event.noise_multiplier * 2)
        return replace(entry, release=replace(entry.release, event=event))

    judge(rewritten(honest(), "bank-b", change), tmp_path, {7, 8})


def test_a_cap_raised(tmp_path: Path) -> None:
    raised = amounts(lambda amount: replace(amount, cap=5.0) if amount.scope is Scope.RUN else amount)
    verdict = judge(rewritten(honest(), "bank-b", raised), tmp_path, {8})
    assert first(verdict, 8).where == "amounts.run.cap"


def test_a_cap_raised_without_its_order(tmp_path: Path) -> None:
    raised = amounts(lambda amount: replace(amount, cap=500.0) if amount.scope is Scope.LIFETIME else amount)
    judge(rewritten(honest(), "bank-b", raised), tmp_path, {3, 8})


@pytest.mark.parametrize(
    ("caps", "where"),
    [
        ({"run": 0.5}, "amounts.run.cap"),
        ({"year": 1.2}, "amounts.year.cap"),
        ({"delta": 1e-6}, "release.delta"),
        ({"records_per_delta": 100.0}, "release.delta"),
        ({"noise_multiplier": 5.0}, "release.event.noise_multiplier"),
    ],
)
def test_more_than_the_policy_allows(tmp_path: Path, caps: dict[str, float], where: str) -> None:
    values = {"run": 1.0, "year": 3.0, "lifetime": 10.0, "delta": 1e-5, **caps}
    assert first(judge(honest(), tmp_path, {8}, caps=values), 8).where == where


def test_more_than_the_policy_allows_a_person(tmp_path: Path) -> None:
    values = {"run": 1.0, "year": 3.0, "lifetime": 10.0, "delta": 1e-5, "person": 0.95}
    judge(honest(), tmp_path, {10}, caps=values)
    alone = {**values, "person_institutions": 1}
    assert verify(honest().export(tmp_path / "one.zip"), honest().policy(caps=alone)).holds


def test_records_more_than_nominal(tmp_path: Path) -> None:
    def more(entry: LedgerEntry) -> LedgerEntry:
        assert entry.release is not None
        return replace(entry, release=replace(entry.release, nominal_records=NOMINAL * 2))

    assert first(judge(rewritten(honest(), "bank-b", more), tmp_path, {8}), 8).where == "release.nominal_records"


# Entries that are not where they belong.


def test_an_entry_signed_with_another_members_key(tmp_path: Path) -> None:
    index, entry = honest().ledger("bank-b")[LAST]
    verdict = judge(honest().changed(index, ledger_entry(entry, key_of("bank-a"))), tmp_path, {2})
    assert (first(verdict, 2).sequence, first(verdict, 2).index) == (LAST + 1, index)


def test_an_entry_changed_and_not_signed_again(tmp_path: Path) -> None:
    index, _ = honest().ledger("bank-b")[LAST]
    data = honest().entries[index].replace(b'"vintage":"2026Q1"', b'"vintage":"2026Q2"')
    verdict = verify(honest().changed(index, data).export(tmp_path / "export.zip"), honest().policy())
    assert {step.number for step in verdict.steps if step.findings} == {2, 3}
    assert first(verdict, 3).where.endswith("hash")


def test_a_ledger_left_out_from_some_place_on(tmp_path: Path) -> None:
    world = rewritten(honest(), "bank-b", lambda entry: entry if entry.sequence < LAST else None)
    verdict = judge(world, tmp_path, {9})
    assert "reservation" in first(verdict, 9).where


def test_back_dating(tmp_path: Path) -> None:
    earlier = numbered([LAST], lambda entry: replace(entry, time=entry.time - timedelta(days=1)))
    verdict = judge(rewritten(honest(), "bank-b", earlier), tmp_path, {3})
    assert first(verdict, 3).where.endswith("time")


def test_a_reservation_given_back(tmp_path: Path) -> None:
    """A second outcome of one reservation: what was spent is called failed."""
    failed = numbered([LAST + 1], lambda entry: replace(entry, update_hash=None, error="internal"))
    verdict = judge(rewritten(honest(), "bank-b", failed), tmp_path, {9})
    assert "spent by no ledger" in first(verdict, 9).got


def test_a_fresh_ledger_under_a_new_key(tmp_path: Path) -> None:
    """A new home, a new key, and nothing carried: whole caps again."""
    new = key_of("bank-b anew")
    index, entry = honest().ledger("bank-b")[0]
    plan = honest().find("plan")
    world = honest().inserted(28, member("bank-b", key=new.public.hex))
    fresh = replace(entry, key_id=new.public.key_id, release=None, kind=Kind.REFUSE, refusal=_refusal(), amounts=())
    verdict = judge(world.inserted(29, ledger_entry(fresh, new)), tmp_path, {3})
    assert first(verdict, 3).got == "a ledger that starts afresh"
    assert index > plan


def _refusal() -> Any:
    from federation.ledger import Refusal

    return Refusal("late", "request", "after", "before")


def test_more_reservations_than_the_plan_pays_for(tmp_path: Path) -> None:
    world = _with(lambda federation, plan: [federation.attempt("bank-a", plan, round) for round in (3, 3)])
    verdict = judge(world, tmp_path, {8})
    assert first(verdict, 8).got == "reservation 4 of train"


def test_an_audit_that_failed(tmp_path: Path) -> None:
    world = honest().inserted(28, audited("bank-a", passed=False))
    judge(world, tmp_path, {8})
    assert verify(world.export(tmp_path / "e.zip"), world.policy(audits_must_pass=False)).holds
    fine = honest().inserted(28, audited("bank-a"))
    assert verify(fine.export(tmp_path / "fine.zip"), fine.policy()).holds


def test_an_audit_that_passes_with_a_finding_that_failed(tmp_path: Path) -> None:
    content = {**honest().inserted(28, audited("bank-a", passed=False)).content(28), "passed": True}
    world = honest().inserted(28, Statement.sign("audit-result", content, key_of("bank-a")).entry.data)
    assert first(judge(world, tmp_path, {8}), 8).where == "audit-result: audit-result.passed"


def _with(act: Callable[[Federation, Any], object]) -> World:
    """A federation whose institutions do something after their run."""
    federation, plan = Federation(), make_plan()
    federation.enrol()
    federation.run(plan)
    act(federation, plan)
    return World(tuple(federation.entries), federation.documents)


def test_the_world_has_what_these_tests_count_on() -> None:
    kinds = [entry.kind for _, entry in honest().ledger("bank-b")]
    assert kinds == [Kind.RESERVE, Kind.SPEND] * 3
    release = honest().ledger("bank-b")[LAST - 1][1].release
    assert release is not None
    assert release.phase == "evaluate"
    assert BANKS[1] == "bank-b"
