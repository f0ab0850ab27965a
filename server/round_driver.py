"""The round driver: carries a plan from proposal to published model over a Flower Grid.

    driver = RoundDriver(grid, plan, store, key, trail=trail, rule=rule_of(catalogue, plan), ...)
    model = driver.run()

It trusts no message: every answer is signed by the institution the plan names and is checked before it is averaged
(`federation.rounds.check_reply`), and it is averaged once a quorum of witnesses has cosigned the reservation that paid
for it (`server.oversight`). After each round one checkpoint is written; whatever dies, the next driver goes on
from it, and nodes answer a repeated question with the bytes they stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from federation.errors import ConfigurationError, Refused
from federation.models import PublishedEvaluation, PublishedModel
from federation.rounds.averaging import model_hash, model_to_bytes
from federation.rounds.collection import Collection
from federation.rounds.evaluation_forms import EvaluationForms
from federation.rounds.plan import TrainingPlan
from federation.rounds.progress import Checkpoint
from federation.rounds.refusals import RunFailed
from federation.rounds.reply import Expected
from federation.rounds.request import request_hash
from federation.rounds.rule import Rule, rule_of
from federation.rounds.signed_plan import SignedPlan
from federation.rounds.vectors import AnyForm
from protocols.envelope import seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import Phase, RoundRequest
from server.approving import Approving
from server.assembly import Assembly, Pace, require_answers
from server.checkpoint_store import CHECKPOINT, EVALUATION, MODEL, CheckpointStore
from server.exchange import Exchange
from server.masking import Masks
from server.oversight.account import RunAccount
from server.oversight.trail import LogTrail, Trail
from server.stopping import refuse_stopped

if TYPE_CHECKING:
    from flwr.serverapp import Grid

OnEvent = Callable[[dict[str, Any]], None]


def _ignore(_event: dict[str, Any]) -> None:
    return None


class RoundDriver:
    """One run. `evaluation_size`: the length of the evaluation vector, where the plan has an evaluation.

    `attempts`: how often a round without quorum is tried. `approval_s`: how long members may take to approve (s).
    """

    def __init__(
        self,
        grid: Grid,
        plan: TrainingPlan,
        store: CheckpointStore,
        key: SigningKey,
        *,
        trail: Trail,
        rule: Rule,
        evaluation_size: int | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        on_event: OnEvent = _ignore,
        attempts: int = 3,
        approval_s: float = 600.0,
    ) -> None:
        if plan.coordinator != key.public.hex:
            raise ConfigurationError("plan.coordinator", got=plan.coordinator, expected=key.public.hex)
        self._plan, self._store, self._key = plan, store, key
        self._trail, self._account = trail, RunAccount(trail, store, plan, key)
        evaluated = plan.privacy.evaluation_multiplier is not None
        self._rule, self._forms = rule, EvaluationForms(plan, evaluation_size or 0) if evaluated else None
        self._clock, self._on_event = clock, on_event
        self._attempts, self._sleep = attempts, sleep
        self._assembly = Assembly(
            Exchange(grid, clock),
            plan,
            key,
            pace=pace or Pace(),
            clock=clock,
            sleep=self._pause,
            report=self._event,
        )
        gather = self._assembly.gather
        self._approving = Approving(plan, store, key, gather, clock=clock, report=self._event, patience_s=approval_s)
        shared = plan.privacy.sharing is not None
        self._masks = Masks(plan, store, key, gather, clock) if shared else None

    def run(self) -> PublishedModel:
        """The published model. Raises RunFailed; whatever was finished before stays and is not asked for again.

        1. every member's approval of the plan            signed_plan.json; from here on each step is in the log too
        2. each round: ask, check, average                checkpoint.json
        3. publish the mean of the last models            model.json
        4. the evaluation, if the plan has one            evaluation.json
        """
        try:
            signed = self._approving.signed()
            self._trail.begin(signed)
            if self._masks is not None:
                self._masks.set_up(signed)
            checkpoint = self._resume()
            self._account.repeat(checkpoint)
            while checkpoint.round < self._plan.rounds:
                checkpoint = self._round(signed, checkpoint)
            model = PublishedModel.publish(signed, checkpoint, self._key)
            self._store.write(MODEL, model)
            self._account.publish("model", model.hash, model)
            self._evaluate(signed, model)
        except RunFailed as failure:
            self._event({"event": "failed", "where": failure.where, "got": failure.got, "expected": failure.expected})
            raise
        self._event({"event": "done", "model": model.hash})
        return model

    def _pause(self, seconds: float) -> None:
        refuse_stopped(self._store.folder)
        self._approving.remind()
        self._sleep(seconds)

    def _resume(self) -> Checkpoint:
        stored = self._store.checkpoint()
        if stored is None:
            return Checkpoint.start(self._plan, self._rule.initial())
        checkpoint = stored.check(self._plan, self._rule.size)
        self._event({"event": "resumed", "round": checkpoint.round})
        return checkpoint

    def _round(self, signed: SignedPlan, checkpoint: Checkpoint) -> Checkpoint:
        number, start = checkpoint.round + 1, self._clock()
        answers = self._ask(signed, Phase.TRAIN, number, checkpoint.model_bytes, self._rule.form(number))
        try:
            combined = self._combined(signed, number, answers)
            model = self._rule.follow(number, checkpoint.parameters, combined)
        except (Refused, ConfigurationError) as error:  # answers that each have their form, and a sum that has not
            raise RunFailed(f"round {number}: {error.where}", got=error.got, expected=error.expected) from error
        advanced = checkpoint.advance(self._plan, answers.accepted, model)
        if not np.isfinite(advanced.parameters).all():
            raise RunFailed(f"round {number}", got="an average beyond float32", expected="finite parameters")
        opened = None if self._masks is None else combined
        self._account.finish(answers, model_hash(advanced.model_bytes).hex(), CHECKPOINT, advanced, opened)
        self._event({"event": "averaged", "round": number, "seconds": round(self._clock() - start, 3)})
        return advanced

    def _combined(self, signed: SignedPlan, number: int, answers: Collection) -> Any:
        if self._masks is not None:
            return self._masks.total(signed, number, self._rule.masked_form(number), answers)
        return self._rule.combine({name: update.vector for name, update in answers.accepted.items()})

    def _evaluate(self, signed: SignedPlan, model: PublishedModel) -> None:
        if self._forms is None:
            return
        evaluation = self._store.evaluation() or self._evaluated(signed, model, self._forms)
        self._account.publish("evaluation", model.hash, evaluation)

    def _evaluated(self, signed: SignedPlan, model: PublishedModel, forms: EvaluationForms) -> PublishedEvaluation:
        data = model_to_bytes(model.vector)
        answers = self._ask(signed, Phase.EVALUATE, 0, data, forms.form)
        if self._masks is None:
            evaluation = PublishedEvaluation.publish(self._plan, data, answers.accepted, self._key)
        else:
            total = self._masks.total(signed, self._plan.rounds + 1, forms.masked_form, answers)
            evaluation = PublishedEvaluation.of_sum(self._plan, data, answers.accepted, total, self._key)
        self._account.finish(answers, "", EVALUATION, evaluation)
        self._event({"event": "evaluated", "institutions": sorted(answers.accepted)})
        return evaluation

    def _ask(self, signed: SignedPlan, phase: Phase, number: int, model: bytes, form: AnyForm) -> Collection:
        """The answers of at least a quorum. Raises RunFailed, with everyone's state, after the last attempt."""
        for attempt in range(1, self._attempts + 1):
            collection = self._attempt(signed, phase, number, attempt, model, form)
            if collection.quorate:
                return collection
        require_answers(f"round {number} ({Phase.Name(phase)})", collection, self._plan.quorum)
        raise AssertionError("unreachable")  # pragma: no cover

    def _attempt(
        self,
        signed: SignedPlan,
        phase: Phase,
        number: int,
        attempt: int,
        model: bytes,
        form: AnyForm,
    ) -> Collection:
        refuse_stopped(self._store.folder)
        start = self._clock()
        deadline = start + self._plan.round_deadline_s
        request = RoundRequest(
            signed_plan=signed.canonical(),
            plan_hash=bytes.fromhex(self._plan.hash),
            phase=phase,
            round=number,
            model=model,
            deadline_ms=int(deadline * 1000),
        )
        envelope = seal(request, self._key)
        expected = Expected(self._plan, phase, number, model_hash(model), request_hash(envelope), form)
        collection = Collection(expected, self._trail.on_record)
        self._assembly.gather(collection, envelope, deadline, f"{Phase.Name(phase).lower()}-{number}")
        collection.close()
        told = {"event": "round", "phase": Phase.Name(phase).lower(), "round": number, "rounds": self._plan.rounds}
        told |= {"attempt": attempt, "seconds": round(self._clock() - start, 3), **collection.summary()}
        self._event(told)
        return collection

    def _event(self, event: dict[str, Any]) -> None:
        stamped = {"at": round(self._clock(), 3), "run": self._plan.run_id, **event}
        self._store.append_event(stamped)
        self._on_event(stamped)


def drive(grid: Grid, run: str, home: Path | str) -> PublishedModel:
    """What the ServerApp calls: the run `run` of the coordinator's HOME, from where it stands. Raises RunFailed."""
    from federation.catalogue import load_catalogue  # the rest of the driver needs no catalogue, hence no torch
    from federation.evaluation import EvaluationSpec
    from federation.observability.monitor import monitored
    from federation.observability.names import Process
    from server.home import CoordinatorHome
    from server.log import LogStore
    from server.run_figures import observe_run

    opened = CoordinatorHome.open(home)
    store = CheckpointStore(opened.run(run))
    plan = store.plan()
    if plan is None:
        raise ConfigurationError(str(store.folder), got="no plan.json", expected="a run prepared by `train`")
    catalogue = load_catalogue(opened.catalogue)
    if catalogue.hash != plan.catalogue.hash:
        raise ConfigurationError("catalogue.hash", got=catalogue.hash, expected=plan.catalogue.hash)
    evaluated = plan.privacy.evaluation_multiplier is not None
    log = LogStore.open(opened.database_url, opened.log_key, time.time, anchor=opened.log_anchor)
    driver = RoundDriver(
        grid,
        plan,
        store,
        opened.signing_key,
        trail=LogTrail(log, opened.signing_key.public, opened.log_key.public),
        rule=rule_of(catalogue, plan),
        evaluation_size=EvaluationSpec.from_catalogue(catalogue).size if evaluated else None,
        on_event=observe_run,
    )
    with monitored(Process.ROUND_DRIVER, opened.path, opened.name, opened.settings.metrics, instance=run):
        return driver.run()
