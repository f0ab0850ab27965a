"""Step 8: nothing beyond what the policy allows or the signed plan says; what was refused, and why."""

from __future__ import annotations

from collections import Counter

from clients.regulator.audits import Audits
from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.plans import Plans, allowed, event_of
from clients.regulator.steps.base import Step
from federation.ledger.budget import TOLERANCE, Amount
from federation.ledger.entries import Entry, Kind
from federation.ledger.release import ADJACENCY, ROUND_PHASES, UNIT, Release
from federation.rounds.plan import TrainingPlan


class CapsStep(Step):
    """Reservations against the policy's figures and the plan they name; audits against their claims."""

    number = 8
    title = "Caps, plans and refusals are the policy's"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._plans = Plans()
        self._reserved: Counter[tuple[str, str, str]] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()
        self._highest: dict[str, float] = {}
        self._audits = Audits(self, self._plans)

    def take(self, line: Line) -> None:
        self._plans.take(line)
        if line.signed is not None:
            self._ledger_entry(line, line.signed.entry)
        else:
            self._audits.take(line)

    def finish(self) -> None:
        for (institution, code), count in sorted(self._refused.items()):
            self.note(f"{institution} refused {count} times: {code}")
        for scope, epsilon in sorted(self._highest.items()):
            self.fact(f"highest {scope}: epsilon {epsilon:.4f}")
        self._audits.finish()

    def _ledger_entry(self, line: Line, entry: Entry) -> None:
        if entry.kind is Kind.REFUSE and entry.refusal is not None:
            self._refused[entry.institution, entry.refusal.code] += 1
        if entry.kind is Kind.RESERVE and entry.release is not None:
            for amount in entry.amounts:
                self._amount(line, amount)
            self._release(line, entry, entry.release)

    def _amount(self, line: Line, amount: Amount) -> None:
        limit = float(getattr(self.case.policy.caps, amount.scope.value))
        # a. The institution's cap, and what it had spent after this entry.
        if amount.cap > limit + TOLERANCE:
            self.fail(f"amounts.{amount.scope}.cap", amount.cap, f"at most {limit}", line)
        if amount.capped > limit + TOLERANCE:
            self.fail(f"amounts.{amount.scope}.{amount.capped_by}", amount.capped, f"at most {limit}", line)
        self._highest[amount.scope.value] = max(self._highest.get(amount.scope.value, 0.0), amount.capped)

    def _release(self, line: Line, entry: Entry, release: Release) -> None:
        caps = self.case.policy.caps
        # b. What epsilon is measured by, in entries of every version: by as many records as the institution was
        #    admitted with. Within a plan the figure is the plan's, which everybody signed.
        member = self.case.roster.members.get(entry.institution)
        admitted = None if member is None else member.nominal_records
        if release.phase not in ROUND_PHASES and release.nominal_records != admitted:
            self.fail("release.nominal_records", release.nominal_records, f"{admitted}, as admitted", line)
        most = min(caps.delta, 1 / (caps.records_per_delta * release.nominal_records)) * (1 + 1e-9)
        for where, delta in (("release", release.delta), *((f"amounts.{a.scope}", a.delta) for a in entry.amounts)):
            if delta > most:
                self.fail(f"{where}.delta", delta, f"at most {most:g}", line)
        if release.adjacency != ADJACENCY or release.unit != UNIT:
            self.fail("release.unit", f"{release.unit}, {release.adjacency}", f"{UNIT}, {ADJACENCY}", line)
        if release.event.noise_multiplier < caps.noise_multiplier:
            got = release.event.noise_multiplier
            self.fail("release.event.noise_multiplier", got, f"at least {caps.noise_multiplier}", line)
        # c. The plan that everybody signed.
        if release.phase in ROUND_PHASES:
            self._planned(line, entry, release)

    def _planned(self, line: Line, entry: Entry, release: Release) -> None:
        plan = self._plans.by_hash.get(release.plan_hash)
        if plan is None:
            self.fail("release.plan_hash", release.plan_hash, "a plan that is logged before", line)
            return
        for field, got, expected in _differences(release, plan, entry.institution):
            if got != expected:
                self.fail(field, got, f"{expected}, as in the plan", line)
        slot = (entry.institution, release.run_id, release.phase)
        self._reserved[slot] += 1
        if self._reserved[slot] > allowed(plan, release.phase):
            got = f"reservation {self._reserved[slot]} of {release.phase}"
            self.fail("release.attempt", got, f"at most {allowed(plan, release.phase)}, as the plan pays for", line)


def _differences(release: Release, plan: TrainingPlan, institution: str) -> list[tuple[str, object, object]]:
    member = plan.member(institution)
    return [
        ("release.run_id", release.run_id, plan.run_id),
        ("release.event", release.event, event_of(plan, release.phase, release.round)),
        ("release.delta", release.delta, plan.privacy.delta),
        ("release.catalogue_hash", release.catalogue_hash, plan.catalogue.hash),
        ("release.family", release.family, plan.recipe.family),
        ("release.nominal_records", release.nominal_records, None if member is None else member.nominal_records),
    ]
