"""Audits: what the regulator asked for, and what institutions answered. Part of step 8.

1. Every result passes by its own figures: no check failed, and no more was measured than is claimed. What is claimed is
   the plan's, computed here and not believed; its delta, checks and tolerances are those of an audit of that kind. What
   was measured is the institution's word.
2. Every request was answered in time by the audit that was asked for: kind, plan and seed.
3. A result that nobody asked for is the institution's own word; it may show a fault, and proves nothing.
4. A request that no trainer answers (of no logged plan, of an institution that is not in it) is noted: it is a slip of
   the regulator's, and nobody owes an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from clients.regulator.findings import day
from clients.regulator.line import Line
from clients.regulator.plans import Plans, without_trainer
from clients.regulator.steps.base import Step
from federation.audits.claimed import Claims, claims_of
from federation.audits.sums.claimed import Sensitivities, contract_claims, sensitivities_of, stated_sensitivities
from federation.catalogue import load_catalogue, shipped_catalogues
from federation.oversight.audits import AuditRequest, AuditResult
from federation.rounds.plan import TrainingPlan
from federation.training.sums.recipe import SumRecipe
from protocols.errors import ProtocolError


@dataclass
class Asked:
    """A request, and the place of the result that answers it."""

    line: Line
    said: AuditRequest
    answered: int | None = None

    @property
    def name(self) -> str:
        return f"audit {self.said.kind} of {self.said.institution}, plan {self.said.plan_hash[:16]}"


class Audits:
    """Checks on behalf of `step`, which keeps the findings, against the plans that it has read."""

    def __init__(self, step: Step, plans: Plans) -> None:
        self._step, self._plans = step, plans
        self._asked: dict[str, Asked] = {}
        self._passed = 0
        self._sensitivities: dict[str, Sensitivities | None] = {}  # by plan hash; None: of a catalogue not at hand

    def take(self, line: Line) -> None:
        """One entry; one that has not its form is a finding."""
        if line.content is None:
            return
        try:
            if line.kind == AuditRequest.kind_of_statement:
                self._asked[line.leaf.hex()] = Asked(line, AuditRequest.from_json(line.content))
            elif line.kind == AuditResult.kind_of_statement:
                self._result(line, AuditResult.from_json(line.content))
        except ProtocolError as error:
            self._step.fail_with(error, line, where=line.kind)

    def finish(self) -> None:
        for asked in self._asked.values():
            nothing = without_trainer(self._plans.by_hash.get(asked.said.plan_hash), asked.said.institution)
            if nothing and asked.answered is None:
                self._step.note(f"{asked.name}: asked for at log entry {asked.line.index}, and {nothing}")
            elif self._step.case.is_over(asked.said.expires, asked.answered):
                late = "no answer" if asked.answered is None else f"an answer at log entry {asked.answered}, too late"
                self._verdict(asked.line, asked.name, late, f"a result by {day(asked.said.expires)}")
            elif asked.answered is None:
                self._step.note(f"{asked.name}: asked for at log entry {asked.line.index}, and not yet due")
        if self._passed:
            self._step.fact(f"{self._passed} audits passed")

    def _result(self, line: Line, said: AuditResult) -> None:
        where = f"audit {said.kind} of {said.institution}"
        if said.request is None:
            self._step.note(f"Log entry {line.index}: {where} that nobody asked for, with a seed of its own")
        else:
            self._answer(line, where, said, self._asked.get(said.request))
        if said.failed:
            self._verdict(line, where, f"failed: {', '.join(said.failed)}", "every check passed")
        if said.exceeded:
            got, expected = f"epsilon {said.measured:.4f} measured", f"at most {said.claimed:.4f}, as claimed"
            self._verdict(line, where, got, expected)
        sound = self._is_as_planned(line, where, said)
        if sound and not said.failed and not said.exceeded:
            self._passed += 1

    def _is_as_planned(self, line: Line, where: str, said: AuditResult) -> bool:
        """Whether the result claims what its plan does; one that cannot be judged is noted, and passes nothing."""
        plan = self._plans.by_hash.get(said.plan_hash)
        nothing = without_trainer(plan, said.institution)
        if plan is None or nothing:
            self._step.note(f"Log entry {line.index}: {where}, plan {said.plan_hash[:16]}: {nothing}")
            return False
        before = self._step.failures
        if said.delta != plan.privacy.delta:
            self._step.fail(f"{where}: delta", said.delta, f"{plan.privacy.delta:g}, the plan's", line)
        claims = self._claims(line, where, said, plan)
        for name, got, expected in claims.faults(said.findings):
            self._step.fail(f"{where}: {name}", got, expected, line)
        headlines = {(each.claimed, each.measured) for each in said.findings if each.check in claims.headline}
        if (said.claimed, said.measured) not in headlines:
            got = f"epsilon {said.claimed:.4f} claimed, {said.measured:.4f} measured"
            self._step.fail(f"{where}: claimed", got, f"those of {' or '.join(claims.headline)}", line)
        return self._step.failures == before

    def _claims(self, line: Line, where: str, said: AuditResult, plan: TrainingPlan) -> Claims:
        """What a result must claim. Sensitivities of sums are the catalogue's, where this verifier ships with it."""
        if not isinstance(plan.recipe, SumRecipe) or said.kind != "contract":
            return claims_of(plan.privacy, said.kind)
        if plan.hash not in self._sensitivities:
            self._sensitivities[plan.hash] = _sensitivities(plan)
        known = self._sensitivities[plan.hash]
        if known is None:
            named = f"{plan.catalogue.name} {plan.catalogue.version}"
            word = "sensitivities are the institution's word, its noise is held to the plan's multiple of them"
            self._step.note(f"Log entry {line.index}: {where}: no catalogue {named} here; {word}")
            known = stated_sensitivities(plan.recipe.stages, said.findings)
        return contract_claims(plan.privacy, known)

    def _answer(self, line: Line, where: str, said: AuditResult, asked: Asked | None) -> None:
        if asked is None:
            self._step.fail(f"{where}: request", said.request, "a request that is logged before", line)
        elif not said.answers(asked.said):
            self._step.fail(f"{where}: request", "another audit than was asked for", asked.name, line)
        elif asked.answered is None:
            asked.answered = line.index

    def _verdict(self, line: Line, where: str, got: str, expected: str) -> None:
        """Red, unless the policy only wants to be told."""
        if self._step.case.policy.audits_must_pass:
            self._step.fail(where, got, expected, line)
        else:
            self._step.note(f"Log entry {line.index}: {where}: {got}")


def _sensitivities(plan: TrainingPlan) -> Sensitivities | None:
    """Of a plan of sums; None where its catalogue is not among those that are shipped."""
    if plan.catalogue.name not in shipped_catalogues():  # a stranger's word: never a path
        return None
    catalogue = load_catalogue(plan.catalogue.name)
    return sensitivities_of(catalogue, plan) if catalogue.hash == plan.catalogue.hash else None
