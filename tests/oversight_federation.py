"""An honest federation that trains, evaluates and publishes, and logs all of it: real ledgers, plans and models."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
from audit_world import audit_result
from oversight_world import BANKS, DELTA, NOMINAL, NOW, RUN, World, key_of, member, witness_key

from federation.audits.finding import Check
from federation.catalogue import Catalogue, load_catalogue
from federation.evaluation import EvaluationSpec
from federation.evaluation.model_card import build_card
from federation.ledger import Caps, Ledger, Release
from federation.models import PublishedEvaluation, PublishedModel
from federation.oversight import Averaged, Publication, RegulatorStatement, RoundStatement
from federation.privacy import PrivacyPlan
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.rounds.averaging import model_hash, model_to_bytes
from federation.rounds.progress import Checkpoint as RunCheckpoint
from federation.rounds.reply import Update
from federation.rounds.rule import rule_of
from federation.training import Recipe
from protocols.canonical import canonical
from protocols.transparency import Entry


@cache
def catalogue() -> Catalogue:
    return load_catalogue("australian")


@cache
def privacy() -> PrivacyPlan:
    """Two rounds of three Poisson-sampled steps, one spare, one evaluation."""
    return PrivacyPlan(
        epsilon=1.0,
        delta=DELTA,
        sampler="poisson",
        sampling_rate=0.2,
        noise_multiplier=4.0,
        clip=0.5,
        steps_per_round=3,
        rounds=2,
        spare_rounds=1,
        evaluation_multiplier=20.0,
    )


def make_plan(run_id: str = RUN, **changes: Any) -> TrainingPlan:
    features = tuple(feature.name for feature in catalogue().features)
    values: dict[str, Any] = {
        "run_id": run_id,
        "catalogue": CatalogueRef(name=catalogue().name, version=catalogue().version, hash=catalogue().hash),
        "recipe": Recipe(learning_rate=0.5, average_last=1),
        "privacy": privacy(),
        "members": tuple(
            Member(institution=name, key=key_of(name).public.hex, nominal_records=NOMINAL, features=features)
            for name in BANKS
        ),
        "coordinator": key_of("coordinator").public.hex,
        "quorum": 2,
        "round_deadline_s": 60.0,
        "bundle_hash": "ab" * 32,
        "max_update_norm": 1000.0,
        "expires": NOW + 86_400,
    }
    return TrainingPlan(**{**values, **changes})


def signed_plan(plan: TrainingPlan) -> SignedPlan:
    approvals = {member.institution: approve(plan, key_of(member.institution)) for member in plan.members}
    return SignedPlan.sign(plan, approvals, key_of("coordinator"))


class Clock:
    """UTC; a second later whenever it is read."""

    def __init__(self) -> None:
        self.now = datetime.fromtimestamp(NOW, UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Federation:
    """Builds an honest trail entry by entry."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.entries: list[bytes] = []
        self.documents: dict[str, bytes] = {}
        caps = Caps(run=1.0, year=3.0, lifetime=10.0, delta=DELTA)
        self.ledgers = {
            name: Ledger.in_memory(institution=name, key=key_of(name), caps=caps, clock=self.clock) for name in BANKS
        }
        self._logged = dict.fromkeys(BANKS, 0)

    def say(self, *data: bytes) -> None:
        self.entries += data

    def log(self, name: str) -> None:
        """What the ledger of `name` has got since."""
        for signed in list(self.ledgers[name].entries())[self._logged[name] :]:
            self.entries.append(Entry("ledger-entry", canonical(signed.to_json())).data)
            self._logged[name] += 1

    def enrol(self) -> None:
        regulator = RegulatorStatement(
            "regulator", key_of("regulator").public.hex, witness_key("regulator").public.key.hex, "cd" * 32, 1000
        )
        self.say(regulator.entry(key_of("coordinator")).data, *(member(name) for name in BANKS))

    def run(self, plan: TrainingPlan) -> None:
        signed, rng = signed_plan(plan), np.random.default_rng(7)
        self.say(Entry("plan", signed.canonical()).data)
        self.documents[f"runs/{plan.run_id}/plan.json"] = signed.canonical()
        rule = rule_of(catalogue(), plan)
        progress = RunCheckpoint.start(plan, rule.initial())
        for round in range(1, plan.rounds + 1):
            sent = model_hash(progress.model_bytes).hex()
            vectors = rng.normal(size=(len(BANKS), progress.parameters.size)).astype(np.float32)
            updates = self._updates(plan, "train", round, sent, vectors)
            combined = rule.combine({name: update.vector for name, update in updates.items()})
            progress = progress.advance(plan, updates, rule.follow(round, progress.parameters, combined))
            self._round(plan, "train", round, sent, updates, model_hash(progress.model_bytes).hex())
        model = PublishedModel.publish(signed, progress, key_of("coordinator"))
        self._publish("model", plan, model.hash, model.canonical(), card(model))
        sent, parameters = model.hash, model_to_bytes(model.vector)
        vectors = rng.normal(size=(len(BANKS), EvaluationSpec.from_catalogue(catalogue()).size)).astype(np.float32)
        updates = self._updates(plan, "evaluate", 1, sent, vectors)
        self._round(plan, "evaluate", 1, sent, updates, "")
        evaluation = PublishedEvaluation.publish(plan, parameters, updates, key_of("coordinator"))
        self._publish("evaluation", plan, model.hash, evaluation.canonical(), None)

    def _updates(self, plan: TrainingPlan, phase: Any, round: int, sent: str, vectors: Any) -> dict[str, Update]:
        updates = {}
        for name, vector in zip(BANKS, vectors, strict=True):
            release = release_of(plan, phase, round, sent)
            reservation = self.ledgers[name].reserve(release)
            self.log(name)
            update = replace(Update.of(name, vector), reservation_hash=reservation.entry_hash)
            self.ledgers[name].spend(reservation, update.update_hash, b"reply")
            self.log(name)
            updates[name] = update
        return updates

    def attempt(self, name: str, plan: TrainingPlan, round: int, sent: str = "12" * 32) -> None:
        """A reservation that came to nothing: charged all the same."""
        reservation = self.ledgers[name].reserve(release_of(plan, "train", round, sent))
        self.ledgers[name].fail(reservation, "internal")
        self.log(name)

    def answer(self, name: str, plan: TrainingPlan, round: int, sent: str, phase: Any = "train") -> None:
        """An update that was handed out to somebody."""
        reservation = self.ledgers[name].reserve(release_of(plan, phase, round, sent))
        self.ledgers[name].spend(reservation, "34" * 32, b"reply")
        self.log(name)

    def _round(
        self, plan: TrainingPlan, phase: Any, round: int, sent: str, updates: dict[str, Update], result: str
    ) -> None:
        averaged = {name: Averaged(each.update_hash, each.reservation_hash) for name, each in updates.items()}
        said = RoundStatement(plan.run_id, plan.hash, phase, round, sent, averaged, result)
        self.say(said.entry(key_of("coordinator")).data)

    def _publish(self, kind: Any, plan: TrainingPlan, model: str, data: bytes, card: bytes | None) -> None:
        self.documents[f"runs/{plan.run_id}/{kind}.json"] = data
        if card is not None:
            self.documents[f"runs/{plan.run_id}/card.json"] = card
        hashes = [hashlib.sha256(data).hexdigest(), "" if card is None else hashlib.sha256(card).hexdigest()]
        self.say(Publication(plan.run_id, plan.hash, model, *hashes).entry(kind, key_of("coordinator")).data)


def audited(institution: str, *, passed: bool = True) -> bytes:
    """The log entry of an audit of the contract that nobody asked for."""
    fails = None if passed else Check.SENSITIVITY
    return audit_result(make_plan(), institution, fails=fails).sign(key_of(institution)).data


def release_of(plan: TrainingPlan, phase: Any, round: int, sent: str) -> Release:
    event = plan.privacy.round_event() if phase == "train" else plan.privacy.evaluation_event()
    assert event is not None
    return Release(
        run_id=plan.run_id,
        phase=phase,
        round=round,
        event=event,
        delta=plan.privacy.delta,
        plan_hash=plan.hash,
        catalogue_hash=plan.catalogue.hash,
        model_hash=sent,
        nominal_records=NOMINAL,
        vintage="2026Q1",
        family=plan.recipe.family,
    )


def card(model: PublishedModel) -> bytes:
    return json.dumps(build_card(model, catalogue(), None).to_json(), indent=1).encode()


@cache
def honest() -> World:
    """Three banks, one run of two rounds, its model, card and evaluation: about 30 entries."""
    federation = Federation()
    federation.enrol()
    federation.run(make_plan())
    return World(tuple(federation.entries), federation.documents)
