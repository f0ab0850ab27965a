"""Step 9: what ledgers spent is what the coordinator averaged, both ways, and what it published follows from it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from clients.regulator.case import Case
from clients.regulator.documents import Documents
from clients.regulator.line import Line, Where
from clients.regulator.plans import Plans
from clients.regulator.replays import Replays
from clients.regulator.steps.base import Step
from federation.ledger.entries import Kind
from federation.ledger.release import ROUND_PHASES, Slot
from federation.oversight import EVALUATION, MODEL, ROUND, Averaged, Publication, RoundStatement
from protocols.errors import ProtocolError

Run: TypeAlias = tuple[str, str]  # run and phase


@dataclass(frozen=True, slots=True)
class Spent:
    """An update that a ledger says was handed out, and where it says so."""

    place: Where
    model_hash: str
    update_hash: str
    reservation: str


class RoundStep(Step):
    number = 9
    title = "Rounds, models and ledgers tell one story"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._plans = Plans()
        self._rounds: dict[Slot, tuple[Line, RoundStatement]] = {}
        self._spent: dict[Slot, dict[str, list[Spent]]] = defaultdict(dict)
        self._reserved: dict[tuple[str, str], int] = {}
        self._open: dict[str, str] = {}  # an institution's reservation under way
        self._published: list[tuple[Line, Publication]] = []
        self._replays = Replays(self, self._plans)

    def take(self, line: Line) -> None:
        self._plans.take(line)
        try:
            if line.signed is not None:
                self._ledger_entry(line)
            elif line.content is not None and line.kind == ROUND:
                self._round(line, RoundStatement.from_json(line.content))
            elif line.content is not None and line.kind in (MODEL, EVALUATION):
                self._published.append((line, Publication.from_json(line.content)))
        except ProtocolError as error:
            self.fail_with(error, line, where=line.kind)
        with suppress(ProtocolError):  # step 2 names what has not its form
            self._replays.take(line)

    def finish(self) -> None:
        # 1. One plan for a run.
        for line, run in self._plans.repeated:
            self.fail(f"plan of {run}", "a second plan of the run", "one", line)
        # 2. Every update that was averaged was spent for, by the institution's own ledger.
        for line, said in self._rounds.values():
            for institution, averaged in said.updates.items():
                self._check_averaged(line, said, institution, averaged)
        # 3. Every update that was handed out is in the round it was made for.
        for slot, spends in self._spent.items():
            for institution, listed in spends.items():
                for spent in listed:
                    self._check_spent(slot, institution, spent)
        # 4. Every round starts from the model that the one before gave.
        self._check_models()
        # 5. Documents are those that were logged, and say what the rounds say.
        statements = {slot: said for slot, (_, said) in self._rounds.items()}
        Documents(self, self._plans, statements, self._published).check()
        # 6. What was drawn with randomness that can be drawn again, and what replays of it gave.
        self._replays.finish()
        updates = sum(len(said.updates) for said in statements.values())
        self.fact(f"{len(statements)} rounds with {updates} updates, {len(self._published)} published documents")

    def _ledger_entry(self, line: Line) -> None:
        assert line.signed is not None  # noqa: S101
        entry, release = line.signed.entry, line.signed.entry.release
        if entry.kind is Kind.RESERVE:
            self._reserved[entry.institution, line.signed.hash] = line.index
            self._open[entry.institution] = line.signed.hash
        elif self._open.get(entry.institution) == entry.reservation:
            self._open.pop(entry.institution, None)
        if entry.kind is Kind.SPEND and entry.update_hash and release is not None and release.phase in ROUND_PHASES:
            spent = Spent(
                Where(line.index, entry.institution, entry.sequence),
                release.model_hash,
                entry.update_hash,
                entry.reservation or "",
            )
            self._spent[release.slot].setdefault(entry.institution, []).append(spent)

    def _round(self, line: Line, said: RoundStatement) -> None:
        known = self._rounds.get(said.slot)
        if known is not None:
            self.fail("round", f"a second statement on {_name(said.slot)}", f"one, at {known[0].index}", line)
            return
        self._rounds[said.slot] = (line, said)
        plan = self._plans.by_hash.get(said.plan_hash)
        if plan is None or plan.run_id != said.run_id:
            self.fail("round.plan_hash", said.plan_hash, "the plan of the run, logged before", line)
        for institution, averaged in said.updates.items():
            if plan is not None and plan.member(institution) is None:
                self.fail("round.updates", institution, "members of the plan", line)
            if (institution, averaged.reservation_hash) not in self._reserved:
                what = f"{_name(said.slot)}, {institution}: reservation"
                self.fail(what, "averaged before anything was reserved", "a reservation that is logged before", line)

    def _check_averaged(self, line: Line, said: RoundStatement, institution: str, averaged: Averaged) -> None:
        where = f"{_name(said.slot)}, {institution}"
        listed = self._spent.get(said.slot, {}).get(institution, [])
        if not listed:
            if self._open.get(institution) == averaged.reservation_hash:
                self.note(f"{where}: averaged; its ledger has not logged the spend yet")
            else:
                self.fail(f"{where}: update", "averaged, and spent by no ledger", "a spend of this update", line)
            return
        if not any(spent.update_hash == averaged.update_hash for spent in listed):
            self.fail(f"{where}: update_hash", averaged.update_hash, f"{listed[0].update_hash}, as spent", line)
        elif not any(_is(spent, said, averaged) for spent in listed):
            self.fail(f"{where}: spend", "one for another model or reservation", "the one the round names", line)

    def _check_spent(self, slot: Slot, institution: str, spent: Spent) -> None:
        where = f"{_name(slot)}, {institution}"
        found = self._rounds.get(slot)
        if found is None:
            self._check_unsaid(slot, where, spent)
            return
        _, said = found
        if spent.model_hash != said.model_hash:
            self.fail(
                where, f"an update for model {spent.model_hash}", f"{said.model_hash}, as in the round", spent.place
            )
        elif institution not in said.updates:
            code = said.refused.get(institution)
            self.note(f"{where}: spent, and dropped by the coordinator ({code or 'not named in the round'})")

    def _check_unsaid(self, slot: Slot, where: str, spent: Spent) -> None:
        """A spend of a round that no statement has: under way, or never reported."""
        run, phase, round = slot
        last = self._last_round(run, "train")
        over = any(
            line.kind == (MODEL if phase == "train" else EVALUATION) and said.run_id == run
            for line, said in self._published
        )
        due = (last[0] + 1 if last else 1) if phase == "train" else round
        if not over and round == due and (last is None or phase != "train" or spent.model_hash == last[1]):
            self.note(f"{where}: spent; the round is under way, or was given up")
        else:
            self.fail(where, "an update of a round that nobody reported", "a round of the run", spent.place)

    def _last_round(self, run: str, phase: str) -> tuple[int, str] | None:
        listed = [said for (name, kind, _), (_, said) in self._rounds.items() if (name, kind) == (run, phase)]
        last = max(listed, key=lambda said: said.round, default=None)
        return None if last is None else (last.round, last.result_hash)

    def _check_models(self) -> None:
        runs: dict[Run, list[tuple[Line, RoundStatement]]] = defaultdict(list)
        for line, said in self._rounds.values():
            runs[said.run_id, said.phase].append((line, said))
        for (run, phase), listed in runs.items():
            listed.sort(key=lambda each: each[1].round)
            before: RoundStatement | None = None
            for line, said in listed if phase == "train" else []:
                expected = 1 if before is None else before.round + 1
                if said.round != expected:
                    self.fail(f"{run}: rounds", f"round {said.round}", f"round {expected}, none left out", line)
                elif before is not None and said.model_hash != before.result_hash:
                    what = f"{_name(said.slot)}: model_hash"
                    self.fail(what, said.model_hash, f"{before.result_hash}, the result of the round before", line)
                before = said


def _is(spent: Spent, said: RoundStatement, averaged: Averaged) -> bool:
    wanted = (said.model_hash, averaged.update_hash, averaged.reservation_hash)
    return (spent.model_hash, spent.update_hash, spent.reservation) == wanted


def _name(slot: Slot) -> str:
    run, phase, round = slot
    return f"{run}, {phase} round {round}"
