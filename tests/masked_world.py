"""A plan whose noise is shared, over the world of the rounds: what members mask, and what reaches the coordinator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rounds_world import World, catalogue, make_plan, new_world

from clients.institution.training import Computation
from federation.privacy.stages import SharedNoise
from federation.rounds import TrainingPlan
from federation.rounds.averaging import F32
from federation.rounds.rule import Summing, rule_of
from federation.rounds.vectors import I64
from federation.training.sums import SumModel, SumRecipe

TRIO = ("bank-a", "bank-b", "bank-c")
QUARTET = (*TRIO, "bank-d")


def masked_plan(names: tuple[str, ...] = TRIO, droppers: int = 0, **changes: Any) -> TrainingPlan:
    """Recipe "a" in three rounds and an evaluation."""
    sharing = SharedNoise(members=len(names), droppers=droppers)
    recipe = SumRecipe.of("a")
    privacy = recipe.calibrate(epsilon=1.0, delta=1e-5, sharing=sharing, spare_rounds=1, evaluation_share=0.1)
    stage = privacy.stages[0].model_copy(update={"rounds": 3})
    short = privacy.model_copy(update={"stages": (stage,), "rounds": 3})
    return make_plan(names, **{"recipe": recipe, "privacy": short, "quorum": sharing.fewest, **changes})


def coarsen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if rounds of training lay on a lattice of 2^16 points: their sums stay below 2^31, in words of 4 bytes."""
    bound, train = SumModel.bound, Computation.train
    monkeypatch.setattr(SumModel, "bound", lambda *about: bound(*about) / 2**16)
    monkeypatch.setattr(Computation, "train", lambda *about: train(*about) >> 16)


class Watched:
    """A world that keeps what every member computed, before masks, and every masked update as it was sent."""

    def __init__(self, plan: TrainingPlan | None = None) -> None:
        self.world: World = new_world(plan=plan or masked_plan())
        self.computed: dict[tuple[str, int], I64] = {}
        for name, bank in self.world.banks.items():
            bank.computation.train = self._watch(name, bank.computation.train)  # type: ignore[method-assign]

    def _watch(self, name: str, train: Any) -> Any:
        def watched(plan: TrainingPlan, nominal: int, number: int, *rest: Any) -> I64:
            vector: I64 = train(plan, nominal, number, *rest)
            self.computed[name, number] = vector
            return vector

        return watched

    def expected(self, survivors: dict[int, tuple[str, ...]] | None = None) -> F32:
        """The model as it follows from the plain sums of what was computed."""
        rule = rule_of(catalogue(), self.world.plan)
        assert isinstance(rule, Summing)
        model = rule.initial()
        for number in range(1, self.world.plan.rounds + 1):
            names = (survivors or {}).get(number, tuple(self.world.banks))
            total = np.sum([self.computed[name, number] for name in names], axis=0, dtype=np.int64)
            model = rule.follow(number, model, total)
        return model
