"""A coordinator that shows one member another model than all others, to see that member's part of a sum alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from masked_world import Watched
from numpy.typing import NDArray
from rounds_world import COORDINATOR, START, Bank, catalogue, records, sign

from clients.institution.masking import Masking
from federation.evaluation import EvaluationSpec
from federation.privacy.lattice import POINTS
from federation.rounds import model_to_bytes
from federation.rounds.averaging import F32
from federation.rounds.masking import masks_of
from federation.rounds.rule import logits_of, rule_of
from protocols.envelope import open_envelope, seal
from protocols.secagg import Collector
from protocols.wire.training_pb2 import (
    MaskingAdvertRequest,
    MaskingSetupRequest,
    Phase,
    PlanProposal,
    RoundReply,
    RoundRequest,
)

VICTIM = "bank-a"


class Coordinator:
    """It has its key, everybody's approval, and the nodes' ears."""

    def __init__(self, watched: Watched) -> None:
        self.banks, self.plan = watched.world.banks, watched.world.plan
        signed = sign(self.plan)
        self.whole = {"signed_plan": signed.canonical(), "plan_hash": bytes.fromhex(self.plan.hash)}
        for name in self.banks:
            self.ask(name, PlanProposal(plan=self.plan.canonical()))
        collector = Collector(masks_of(self.plan))
        for name in self.banks:
            collector.advert(name, self.ask(name, MaskingAdvertRequest(**self.whole)))
        for name in self.banks:
            self.ask(name, MaskingSetupRequest(**self.whole, adverts=collector.adverts))

    def ask(self, name: str, message: object) -> bytes:
        return self.banks[name].node.handle(seal(message, COORDINATOR))

    def evaluated(self, models: Mapping[str, F32]) -> NDArray[np.float64]:
        """The sum of all members' evaluations, each of the model that it was shown."""
        total = 0
        for name, model in models.items():
            request = RoundRequest(
                **self.whole,
                phase=Phase.EVALUATE,
                round=0,
                model=model_to_bytes(model),
                deadline_ms=int(START + 50) * 1000,
            )
            reply = open_envelope(self.ask(name, request), RoundReply, self.plan.by_name[name].verifying_key)
            total = total + np.frombuffer(reply.update, "<u8")
        return total.view(np.int64) / POINTS


def counts_of(bank: Bank, coordinator: Coordinator, model: F32) -> NDArray[np.float64]:
    holdout = bank.computation.holdout_records
    scores = logits_of(catalogue(), coordinator.plan, model, holdout)
    return EvaluationSpec.from_catalogue(catalogue()).counts(scores, holdout)


def looked_at_alone() -> float:
    """How well what the coordinator sees of score bins agrees with the victim's own counts: 1 is exactly."""
    watched = Watched()
    for seed, bank in enumerate(watched.world.banks.values()):
        bank.computation._holdout = records(seed, 3000)
    coordinator = Coordinator(watched)
    model = rule_of(catalogue(), coordinator.plan).initial()
    model[:] = np.random.default_rng(1).normal(size=model.size) * 0.3
    nowhere = np.full_like(model, 1000.0)  # everybody else's records lie in the last bin
    seen = coordinator.evaluated({name: model if name == VICTIM else nowhere for name in coordinator.banks})
    scores = EvaluationSpec.from_catalogue(catalogue()).blocks[0]
    own = counts_of(watched.world.banks[VICTIM], coordinator, model)
    return float(np.corrcoef(scores.read(seen)[:-1].ravel(), scores.read(own)[:-1].ravel())[0, 1])


def test_with_masks_that_do_not_know_the_model_one_members_counts_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = Masking.mask
    monkeypatch.setattr(Masking, "mask", lambda self, plan, number, vector, _: bound(self, plan, number, vector, b""))
    assert looked_at_alone() > 0.95


def test_with_masks_bound_to_the_model_it_sees_noise() -> None:
    assert abs(looked_at_alone()) < 0.9  # of 28 random numbers: by chance 1e-10
