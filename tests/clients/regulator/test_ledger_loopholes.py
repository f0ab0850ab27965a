"""Ledgers whose every figure is signed and recomputed, and which say less than was spent all the same."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oversight_federation import Federation, honest, make_plan, privacy
from oversight_lies import Change, first, judge, rewritten
from oversight_world import DELTA, World, key_of, member, policy_values

from clients.regulator.renyi_curve import ORDERS, best_epsilon, cost, divergence, epsilon_at
from clients.regulator.verify import examine, verify
from federation.ledger import Caps, Kind, Ledger, Release, Scope, Successor
from federation.ledger.accountant import published_accountant
from federation.ledger.book import Book
from federation.ledger.budget import Amount, measure, order_of
from federation.ledger.entries import Entry as LedgerEntry
from federation.privacy.event import GaussianEvent


def before_each(scope: Scope) -> Change:
    """An invented amount of `scope` before every true one, at a delta so near that all that is recomputed fits."""
    charged: list[GaussianEvent] = []

    def lie(amount: Amount) -> Amount:
        delta, curve = amount.delta * 0.999, np.sum([cost(event) for event in charged], axis=0)
        order = order_of(scope, amount.cap, delta)
        rdp = best_epsilon(curve, delta) if order is None else epsilon_at(curve, delta, order)
        return replace(amount, delta=delta, pld=0.0123, prv=0.0124, rdp=rdp, order=order)

    def change(entry: LedgerEntry) -> LedgerEntry:
        if entry.kind is Kind.RESERVE and entry.release is not None:
            charged.append(entry.release.event)
        amounts = ((lie(each), each) if each.scope is scope else (each,) for each in entry.amounts)
        return replace(entry, amounts=tuple(amount for both in amounts for amount in both))

    return change


@pytest.mark.parametrize("scope", list(Scope))
def test_of_two_amounts_of_one_account_neither_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: Scope
) -> None:
    world = rewritten(honest(), "bank-b", before_each(scope))
    sample = {"accounting": {"sample": 0 if scope is Scope.RUN else 10_000}}
    finding = first(judge(world, tmp_path, {3}, **sample), 3)
    assert (finding.institution, finding.sequence, finding.where) == ("bank-b", 1, "entry 1: amounts")
    # Without the rule all ten steps hold, and the report says the invented figure.
    monkeypatch.setattr(Book, "_check_accounts", lambda *_: None)
    monkeypatch.setattr(Book, "_check", unless("amounts.run.delta"))
    examined = examine(tmp_path / "export.zip", world.policy(**sample))
    assert examined.verdict.holds
    if scope is Scope.RUN:
        [amount] = [
            each.runs["spring"].amount for each in examined.account.ledgers.values() if each.institution == "bank-b"
        ]
        assert amount is not None
        assert amount.pld == 0.0123


def unless(skipped: str) -> Any:
    """`Book._check` without one rule."""
    original = Book._check

    def check(self: Book, entry: LedgerEntry, field: str, got: object, expected: object) -> None:
        if field != skipped:
            original(self, entry, field, got, expected)

    return check


def test_a_run_is_measured_at_its_plans_delta(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    federation = Federation()
    federation.enrol()
    federation.run(make_plan(privacy=privacy().model_copy(update={"delta": 1e-8})))
    charged: list[GaussianEvent] = []

    def change(entry: LedgerEntry) -> LedgerEntry:
        if entry.kind is Kind.RESERVE and entry.release is not None:
            charged.append(entry.release.event)
        run = (measure(replace(each, delta=DELTA), charged, published_accountant) for each in entry.amounts)
        return replace(
            entry,
            amounts=tuple(
                other if each.scope is Scope.RUN else each for each, other in zip(entry.amounts, run, strict=True)
            ),
        )

    world = rewritten(World(tuple(federation.entries), federation.documents), "bank-b", change)
    finding = first(judge(world, tmp_path, {3}, accounting={"sample": 10_000}), 3)
    assert (finding.institution, finding.sequence) == ("bank-b", 1)
    assert (finding.where, finding.got, finding.expected) == ("entry 1: amounts.run.delta", "1e-05", "1e-08")
    monkeypatch.setattr(Book, "_check", unless("amounts.run.delta"))
    assert verify(tmp_path / "export.zip", world.policy()).holds


def joined(caps: Caps, *releases: Release) -> World:
    """The honest federation, and bank-d, which releases something outside of any plan."""
    federation = Federation()
    federation.enrol()
    federation.run(make_plan())
    federation.say(member("bank-d"))
    made = Ledger.in_memory(institution="bank-d", key=key_of("bank-d"), caps=caps, clock=federation.clock)
    federation.ledgers["bank-d"], federation._logged["bank-d"] = made, 0
    for release in releases:
        made.spend(made.reserve(release), "34" * 32, b"reply")
    federation.log("bank-d")
    return World(tuple(federation.entries), federation.documents)


def histogram(nominal_records: int, delta: float) -> Release:
    return Release(
        run_id="counts",
        phase="histogram",
        round=0,
        event=GaussianEvent(1.0, 40.0, 1),
        delta=delta,
        plan_hash="ab" * 32,
        catalogue_hash="cd" * 32,
        model_hash="0" * 64,
        nominal_records=nominal_records,
        vintage="2026",
        family="none",
    )


def test_an_institution_is_as_large_as_it_was_admitted(tmp_path: Path) -> None:
    """Who calls itself small may use a delta that publishes somebody: 1e-3 of 5,000 records."""
    limits = {**policy_values()["caps"], "delta": 1e-3}
    caps = Caps(run=1.0, year=3.0, lifetime=10.0, delta=1e-3)
    finding = first(judge(joined(caps, histogram(1, 1e-3)), tmp_path, {8}, caps=limits), 8)
    assert (finding.institution, finding.where) == ("bank-d", "release.nominal_records")
    assert (finding.got, finding.expected) == ("1", "5000, as admitted")
    small = replace(caps, delta=DELTA)
    assert verify(joined(small, histogram(5_000, DELTA)).export(tmp_path / "e.zip"), honest().policy()).holds


def test_the_rule_on_delta_is_for_entries_of_every_version(tmp_path: Path) -> None:
    """Version 2 had none of its own, and whoever begins with it may go on with it: a delta of 1e-4 of 5,000 records."""
    limits = {**policy_values()["caps"], "delta": 1e-3}
    charged: list[GaussianEvent] = []

    def at_large(each: Amount) -> Amount:
        blank = replace(each, delta=1e-4, order=order_of(each.scope, each.cap, 1e-4))
        return blank if each.scope is Scope.RUN else measure(blank, charged, published_accountant)

    def older(entry: LedgerEntry) -> LedgerEntry:
        if entry.kind is Kind.RESERVE and entry.release is not None:
            charged.append(entry.release.event)
        amounts = tuple(each if each.scope is Scope.RUN else at_large(each) for each in entry.amounts)
        return replace(entry, version=2, amounts=amounts)

    verdict = judge(rewritten(honest(), "bank-b", older), tmp_path, {8}, caps=limits)
    assert (first(verdict, 8).institution, first(verdict, 8).where) == ("bank-b", "amounts.year.delta")
    assert "bank-b: 6 entries of an older version" in " ".join(verdict.step(3).notes)


def carried(*, version: int = 3) -> World:
    """bank-d ends a ledger in which nothing was spent, and carries it on under a new key."""
    federation, new = Federation(), key_of("bank-d, again")
    federation.enrol()
    federation.run(make_plan())
    caps = Caps(run=1.0, year=3.0, lifetime=10.0, delta=DELTA)
    ledgers = [
        Ledger.in_memory(institution="bank-d", key=key, caps=caps, clock=federation.clock)
        for key in (key_of("bank-d"), new)
    ]
    ledgers[1].carry(ledgers[0].retire(Successor("bank-d", new.public.hex)))
    for key, ledger in zip((key_of("bank-d"), new), ledgers, strict=True):
        federation.say(member("bank-d", key=key.public.hex))
        federation.ledgers["bank-d"], federation._logged["bank-d"] = ledger, 0
        federation.log("bank-d")
        if ledger is ledgers[0]:
            federation.say(member("bank-d", "revoked"))
    return World(tuple(federation.entries), federation.documents)


def test_a_ledger_in_which_nothing_was_spent_may_be_carried_on(tmp_path: Path) -> None:
    world = carried()
    verdict = verify(world.export(tmp_path / "export.zip"), world.policy())
    assert verdict.holds, verdict.first


@pytest.mark.parametrize("rate", [1.0, 0.5, 1e-300])
@pytest.mark.parametrize("noise", [1e-160, 1e-200, 1e-320])
def test_noise_that_hides_nothing_costs_everything(rate: float, noise: float) -> None:
    """Its square underflows to 0: 0 / 0 is no divergence of 0."""
    assert all(math.isinf(divergence(rate, noise)[ORDERS.index(order)]) for order in (2, 64, 1024))
