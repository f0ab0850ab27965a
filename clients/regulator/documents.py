"""Published documents: the bytes that were logged, saying what the rounds say. Part of step 9."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from clients.regulator.archive import ArchiveError
from clients.regulator.deployment import describe
from clients.regulator.layout import DEPLOYMENT, document_path, is_document, run_of
from clients.regulator.line import Line
from clients.regulator.plans import Plans
from clients.regulator.steps.base import Step
from federation.errors import FederationError
from federation.ledger.release import Slot
from federation.models import PublishedEvaluation, PublishedModel
from federation.oversight import MODEL, Publication, RoundStatement
from federation.rounds.plan import TrainingPlan
from protocols.canonical import canonical
from protocols.errors import ProtocolError


class Documents:
    """Checks on behalf of `step`, which keeps the findings."""

    def __init__(
        self,
        step: Step,
        plans: Plans,
        rounds: Mapping[Slot, RoundStatement],
        published: Sequence[tuple[Line, Publication]],
    ) -> None:
        self._step, self._plans, self._rounds, self._published = step, plans, rounds, published
        self._archive = step.case.archive
        self._named: set[str] = set()

    def check(self) -> None:
        # a. What was published is in the export, as it was published.
        latest = {(line.kind, said.run_id): (line, said) for line, said in self._published}
        for (kind, run), (line, said) in latest.items():
            data = self._file(line, document_path(run, kind), said.document_hash)
            if data is not None:
                self._read(line, kind, said, data)
            if said.card_hash:
                card = self._file(line, document_path(run, "card"), said.card_hash)
                if card is not None:
                    self._card(line, said, card)
        # b. A copy of the plan is the plan that was logged.
        for run, body in self._plans.bodies.items():
            self._plan(document_path(run, "plan"), body)
        # c. No document is there that nobody logged, and the description is that of the entries.
        for name in self._archive.names:
            if is_document(name) and name not in self._named and not self._is_unlogged_card(name):
                self._step.fail(name, "a document that no entry names", "documents that were logged")
        self._deployment()

    def _file(self, line: Line, path: str, expected: str) -> bytes | None:
        self._named.add(path)
        try:
            data = self._archive.read(path)
        except ArchiveError as error:
            self._step.fail_with(error, line)
            return None
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            self._step.fail(f"{path}: SHA-256", found, f"{expected}, as logged", line)
            return None
        return data

    def _read(self, line: Line, kind: str, said: Publication, data: bytes) -> None:
        plan = self._plans.by_hash.get(said.plan_hash)
        if plan is None or plan.run_id != said.run_id:
            self._step.fail(f"{kind}.plan_hash", said.plan_hash, "the plan of the run, logged before", line)
            return
        try:
            if kind == MODEL:
                self._model(line, said, plan, PublishedModel.read(data))
            else:
                self._evaluation(line, said, plan, PublishedEvaluation.read(data))
        except (FederationError, ProtocolError) as error:
            self._step.fail_with(error, line, where=document_path(said.run_id, kind))

    def _model(self, line: Line, said: Publication, plan: TrainingPlan, model: PublishedModel) -> None:
        where = document_path(said.run_id, MODEL)
        model.verify()
        self._same(line, f"{where}: plan", model.plan.hash, plan.hash)
        self._same(line, f"{where}: model hash", model.hash, said.model_hash)
        # Every round is in it as it was said: model sent, updates averaged, reservations that paid.
        self._same(line, f"{where}: rounds", len(model.checkpoint), plan.rounds)
        for record in model.checkpoint:
            stated = self._rounds.get((said.run_id, "train", record.round))
            if stated is None:
                self._step.fail(
                    f"{where}: round {record.round}", "a round that was not said", "rounds of the log", line
                )
                continue
            updates = {name: each.update_hash for name, each in stated.updates.items()}
            paid = {name: each.reservation_hash for name, each in stated.updates.items()}
            at = f"{where}: round {record.round}"
            self._same(line, f"{at}: model_hash", record.model_hash, stated.model_hash)
            self._same(line, f"{at}: updates", dict(record.updates), updates)
            self._same(line, f"{at}: reservations", dict(record.reservations), paid)
        # Without a tail the model is the last round's average; the mean of a tail needs the updates themselves.
        last = self._rounds.get((said.run_id, "train", plan.rounds))
        if plan.recipe.average_last <= 1 and last is not None:
            self._same(line, f"{where}: model hash", model.hash, last.result_hash)

    def _evaluation(self, line: Line, said: Publication, plan: TrainingPlan, evaluation: PublishedEvaluation) -> None:
        where = document_path(said.run_id, line.kind)
        evaluation.verify(plan)
        self._same(line, f"{where}: model_hash", evaluation.model_hash, said.model_hash)
        stated = [each for (run, phase, _), each in self._rounds.items() if (run, phase) == (said.run_id, "evaluate")]
        if not stated:
            self._step.fail(f"{where}: round", "no evaluation that was said", "a round of the log", line)
            return
        updates = {name: each.update_hash for name, each in stated[-1].updates.items()}
        self._same(line, f"{where}: model_hash", stated[-1].model_hash, said.model_hash)
        self._same(line, f"{where}: updates", dict(evaluation.updates), updates)

    def _card(self, line: Line, said: Publication, data: bytes) -> None:
        where = document_path(said.run_id, "card")
        try:
            card: Any = json.loads(data)
            model = card["model"]
            found = (model["run_id"], model["plan_hash"], model["model_hash"])
        except (ValueError, KeyError, TypeError, RecursionError):
            self._step.fail(where, "no model card", "a model card (JSON)", line)
            return
        self._same(line, f"{where}: model", found, (said.run_id, said.plan_hash, said.model_hash))

    def _is_unlogged_card(self, path: str) -> bool:
        """A card that no entry commits to speaks for nobody: it is there to be read, and says so."""
        run, name = run_of(path)
        if name != "card" or all(said.run_id != run for _, said in self._published):
            return False
        self._step.note(f"{path}: no entry has its hash; its figures are not part of this verdict")
        return True

    def _plan(self, path: str, body: bytes) -> None:
        self._named.add(path)
        if path not in self._archive:
            return
        try:  # byte for byte what was logged: nothing in the file is looked at before
            same = self._archive.read(path, len(body)) == body
        except ArchiveError:
            same = False
        if not same:
            self._step.fail(path, "another plan", "the plan that was logged")

    def _deployment(self) -> None:
        if self._step.case.broken is not None:
            return
        expected = canonical(describe(self._step.case.account))
        try:
            found = self._archive.read(DEPLOYMENT, len(expected))
        except ArchiveError as error:
            self._step.fail_with(error)
            return
        if found != expected:
            self._step.fail(DEPLOYMENT, "another description", "the one that follows from the entries")

    def _same(self, line: Line, where: str, got: object, expected: object) -> None:
        if got != expected:
            self._step.fail(where, got, expected, line)
