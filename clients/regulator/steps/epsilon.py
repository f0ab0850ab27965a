"""Step 7: every epsilon that a ledger states follows from the mechanisms it states.

1. At every entry, for every scope: the Renyi figure, recomputed exactly. The caps of years and lifetimes rest on it.
2. At the end of every run, year and lifetime: PLD and PRV, and the closed form where nothing is subsampled. Amounts
   never decrease (step 3), so a run that keeps its cap at its end kept it at every entry before.
3. At entries drawn from the checkpoint's root and the regulator's seed: the run's PLD and PRV as they stood there.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import NamedTuple

import numpy as np

from clients.regulator.accountants import NO_GUARANTEE, Opinion, close
from clients.regulator.accounts import Charges, Name, charged
from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.renyi_curve import Curve, best_epsilon, cost, epsilon_at
from clients.regulator.steps.base import Step
from federation.ledger.budget import Amount, Scope
from federation.ledger.entries import Kind
from federation.ledger.renyi import ORDERS
from federation.privacy.event import Event

EXACT = 1e-6  # what two sums of the same divergences may differ by, relatively
MAX_STEPS = 10**8  # a hundred times what a plan may have, and again
_LABEL = b"fedscore/v1/epsilon-sample\x00"


class Stated(NamedTuple):
    """An amount that is to be recomputed with PLD and PRV, and the line that stated it."""

    line: Line
    amount: Amount
    events: tuple[Event, ...]


class EpsilonStep(Step):
    number = 7
    title = "Epsilon follows from the mechanisms"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._charges = Charges()
        self._curves: dict[Name, Curve] = {}
        self._last: dict[Name, tuple[Line, Amount]] = {}
        self._drawn: list[Stated] = []
        self._opinions: dict[tuple[tuple[Event, ...], float], Opinion] = {}
        self._asked: Counter[str] = Counter()  # compositions by institution
        self._recomputed = 0

    def take(self, line: Line) -> None:
        if line.signed is None or line.signed.entry.kind not in (Kind.RESERVE, Kind.CARRY):
            return
        entry = line.signed.entry
        self._charges.take(entry)
        for name, event in charged(entry):
            before = self._curves.get(name)
            self._curves[name] = cost(event) if before is None else before + cost(event)
        if entry.carry is not None:  # maybe of a ledger that had spent nothing
            lifetime = (entry.institution, entry.key_id, Scope.LIFETIME, "")
            self._curves.setdefault(lifetime, np.zeros(len(ORDERS)))
        drawn = self._is_drawn(line.index)
        for amount in entry.amounts:
            name = (entry.institution, entry.key_id, amount.scope, amount.key)
            if name not in self._curves:
                self.fail(f"amounts.{amount.scope}.key", amount.key, "an account that the entry charges", line)
                continue
            if not self._check_renyi(line, amount, self._curves[name]):
                continue  # no accountant can be asked
            self._last[name] = (line, amount)
            if drawn and amount.scope is Scope.RUN:
                self._drawn.append(Stated(line, amount, self._charges.events(name)))

    def finish(self) -> None:
        ends = [Stated(line, amount, self._charges.events(name)) for name, (line, amount) in self._last.items()]
        stated = sorted([*ends, *self._drawn], key=lambda each: each.line.index)
        for done, each in enumerate(stated, 1):
            self._check_opinions(each)
            self.report("compositions", done, len(stated))
        self.fact(f"{self._recomputed} Renyi figures recomputed exactly")
        drawn = f"{len(ends)} ends of runs, years and lifetimes and {len(self._drawn)} entries drawn"
        self.fact(f"{drawn}: {len(self._opinions)} different compositions by PLD, PRV and, at q = 1, in closed form")

    def _check_renyi(self, line: Line, amount: Amount, curve: Curve) -> bool:
        """Whether there is a figure to compare with; a wrong one is a finding."""
        where = f"amounts.{amount.scope}.rdp"
        if amount.order is not None and amount.order not in ORDERS:
            self.fail(f"amounts.{amount.scope}.order", amount.order, "an order that accountants use", line)
            return False
        if not 0 < amount.delta < 1:
            self.fail(f"amounts.{amount.scope}.delta", amount.delta, "in (0, 1)", line)
            return False
        again = (
            best_epsilon(curve, amount.delta) if amount.order is None else epsilon_at(curve, amount.delta, amount.order)
        )
        self._recomputed += 1
        if not _same(amount.rdp, again):
            self.fail(where, amount.rdp, f"{again:.6f}, from the mechanisms charged until then", line)
        return True

    def _check_opinions(self, stated: Stated) -> None:
        amount, agreement = stated.amount, self.case.policy.accounting.agreement
        if not stated.events:
            if (amount.pld, amount.prv) != (0.0, 0.0):
                self.fail(f"amounts.{amount.scope}", (amount.pld, amount.prv), "0: nothing was charged", stated.line)
            return
        steps = sum(event.steps for event in stated.events)
        if steps > MAX_STEPS:
            self.fail(
                f"amounts.{amount.scope}", f"{steps} steps", f"at most {MAX_STEPS}, to be recomputed", stated.line
            )
            return
        if not self._is_affordable(stated):
            return
        opinion = self._opinion(stated.events, amount.delta)
        tolerances = {"pld": agreement, "prv": opinion.tolerance(agreement)}
        for name, again in (("pld", opinion.pld), ("prv", opinion.prv)):
            got = getattr(amount, name)
            expected = opinion.pld if again is None else again
            if not close(got, expected, tolerances[name]) and not (math.isinf(got) and expected > NO_GUARANTEE):
                self.fail(f"amounts.{amount.scope}.{name}", got, f"{expected:.4f} by {name.upper()}", stated.line)
        for text in opinion.disagreements(agreement):
            self.fail(f"accountants of {amount.scope} {amount.key}", text, f"agreement within {agreement}", stated.line)

    def _is_affordable(self, stated: Stated) -> bool:
        """What nobody needs takes time all the same: more than the policy allows is a fault of who charged it."""
        limits, where = self.case.policy.accounting, f"amounts.{stated.amount.scope}"
        if len(stated.events) > limits.mechanisms:
            got, most = f"{len(stated.events)} different mechanisms", limits.mechanisms
        elif (stated.events, stated.amount.delta) in self._opinions:
            return True
        else:
            assert stated.line.signed is not None  # noqa: S101
            institution = stated.line.signed.entry.institution
            self._asked[institution] += 1
            got, most = f"{self._asked[institution]} different compositions", limits.compositions
            if self._asked[institution] <= most:
                return True
        self.fail(where, got, f"at most {most}, to be recomputed", stated.line)
        return False

    def _opinion(self, events: tuple[Event, ...], delta: float) -> Opinion:
        found = self._opinions.get((events, delta))
        if found is None:
            found = self._opinions[events, delta] = Opinion.of(events, delta)
            for text in found.remarks(self.case.policy.accounting.agreement):
                self.note(text)
            if found.prv is None:
                steps = sum(event.steps for event in events)
                self.note(f"PRV cannot answer for {steps} steps at epsilon {found.pld:.4g}: PLD stands alone there")
        return found

    def _is_drawn(self, index: int) -> bool:
        """Each entry with probability sample / size, by a hash that whoever wrote the entries could not choose."""
        newest, wanted = self.case.newest.checkpoint, self.case.policy.accounting
        if newest is None or not newest.size or not wanted.sample:
            return False
        seed = _LABEL + newest.root + bytes.fromhex(wanted.seed) + index.to_bytes(8, "big")
        return int.from_bytes(hashlib.sha256(seed).digest()[:8], "big") * newest.size < wanted.sample * 2**64


def _same(got: float, again: float) -> bool:
    return abs(got - again) <= EXACT * (1 + again) or (math.isinf(got) and again > NO_GUARANTEE)
