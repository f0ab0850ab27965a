"""What a regulator can ask for, by its own copy of the log: looked up before anything is signed.

    there = Askable.read(store)
    there.check_draw("bank-a", Place("spring", "train", 3, 1))      # raises ConfigurationError: what there is
    there.check_audit("bank-a", plan_hash)

The log takes nothing back. What names a round, a plan or an institution that does not exist would stand there for good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from clients.regulator.attempts import Attempt
from clients.regulator.line import Line, read_line
from clients.regulator.mirror.store import MirrorStore
from clients.regulator.plans import Plans, without_trainer
from federation.errors import ConfigurationError
from federation.ledger.entries import Kind
from federation.oversight.members import MEMBER, MemberStatement
from federation.oversight.replay import Place, ReplayCommitment
from federation.rounds.plan import TrainingPlan
from protocols.errors import ProtocolError


@dataclass
class Askable:
    """Institutions that ever were members, plans, and the attempts that were committed to and that were reserved."""

    institutions: set[str] = field(default_factory=set)
    plans: Plans = field(default_factory=Plans)
    committed: set[Attempt] = field(default_factory=set)
    reserved: set[Attempt] = field(default_factory=set)

    @classmethod
    def read(cls, store: MirrorStore) -> Askable:
        """Of the verified copy. Raises ConfigurationError where it is empty."""
        if store.newest() is None:
            raise ConfigurationError("copy of the log", got="nothing yet", expected="`fedscore regulator watch` first")
        return cls.of(store.entries())

    @classmethod
    def of(cls, entries: Iterable[bytes]) -> Askable:
        there = cls()
        for index, data in enumerate(entries):
            there.take(read_line(index, data))
        return there

    def take(self, line: Line) -> None:
        """One entry, in log order. What has not its form is nothing to ask for."""
        self.plans.take(line)
        try:
            if line.signed is not None:
                entry, release = line.signed.entry, line.signed.entry.release
                if entry.kind is Kind.RESERVE and release is not None:
                    attempt = (entry.institution, release.run_id, release.phase, release.round, release.attempt)
                    self.reserved.add(attempt)
            elif line.content is not None and line.kind == MEMBER:
                self.institutions.add(MemberStatement.from_json(line.content).institution)
            elif line.content is not None and line.kind == ReplayCommitment.kind:
                said = ReplayCommitment.from_json(line.content)
                self.committed.add((said.institution, said.run_id, said.phase, said.round, said.attempt))
        except ProtocolError:
            return

    def begun(self, institution: str, place: Place) -> bool:
        """Whether there is anything to compute again: committed to, and reserved."""
        attempt = (institution, place.run_id, place.phase, place.round, place.attempt)
        return attempt in self.committed and attempt in self.reserved

    def check_draw(self, institution: str, place: Place) -> None:
        """Raises ConfigurationError where the log shows no such attempt, or none that can be computed again."""
        plan = self._plan(place.run_id)
        self._check_member(institution, plan)
        train = place.phase == "train"
        if train and not 1 <= place.round <= plan.rounds:
            raise ConfigurationError(
                "--round", got=place.round, expected=f"1 to {plan.rounds}, the rounds of {plan.run_id}"
            )
        if not train and place.round != 0:
            raise ConfigurationError("--round", got=place.round, expected="0: a run has one evaluation")
        if self.begun(institution, place):
            return
        where = f"{place.phase} round {place.round} of {plan.run_id} at {institution}"
        slot = (institution, place.run_id, place.phase, place.round)
        begun = sorted(attempt[4] for attempt in self.committed & self.reserved if attempt[:4] == slot)
        if begun:
            raise ConfigurationError("--attempt", got=place.attempt, expected=f"{_any(map(str, begun))} for {where}")
        reserved = any(attempt[:4] == slot for attempt in self.reserved)
        got = "no commitment in the log: it cannot be computed again" if reserved else "nothing in the log yet"
        rounds = sorted({each[3] for each in self.committed & self.reserved if each[:3] == slot[:3]})
        there = f"a round that can be replayed: {_any(map(str, rounds))}" if rounds else "a run that can be replayed"
        raise ConfigurationError(where, got=got, expected=there)

    def check_audit(self, institution: str, plan_hash: str) -> None:
        """Raises ConfigurationError where `institution` has no trainer under a logged plan of that hash."""
        plan = self.plans.by_hash.get(plan_hash)
        if plan is None:
            known = (f"{each.hash} ({each.run_id})" for each in self.plans.by_hash.values())
            raise ConfigurationError(
                "--plan", got=plan_hash[:80], expected=_any(known, "a plan of the log: there is none")
            )
        self._check_member(institution, plan)
        if nothing := without_trainer(plan, institution):
            raise ConfigurationError("--plan", got=nothing, expected="a plan with a trainer")

    def _plan(self, run: str) -> TrainingPlan:
        plans = {plan.run_id: plan for plan in self.plans.by_hash.values()}
        if run not in plans:
            raise ConfigurationError("--run", got=run, expected=_any(sorted(plans), "a run of the log: there is none"))
        return plans[run]

    def _check_member(self, institution: str, plan: TrainingPlan) -> None:
        if institution not in self.institutions:
            expected = _any(sorted(self.institutions), "a member by the log: there is none")
            raise ConfigurationError("--institution", got=institution, expected=expected)
        if plan.member(institution) is None:
            names = (member.institution for member in plan.members)
            raise ConfigurationError(
                "--institution", got=institution, expected=f"{_any(names)}: {plan.run_id} has no other"
            )


def _any(names: Iterable[str], otherwise: str = "") -> str:
    return " or ".join(names) or otherwise
