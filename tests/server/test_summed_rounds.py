"""Rounds of sums without masks: exact over honest members, and the end of the run where the sum cannot be one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rounds_world import Handler, World, catalogue, key_of, make_plan

from federation.privacy.lattice import MOST
from federation.rounds import RunFailed
from federation.rounds.rule import Summing, rule_of
from federation.rounds.vectors import I64, Form, Vector, to_bytes
from federation.training.sums import SumRecipe
from protocols.envelope import read_envelope, seal
from protocols.wire.training_pb2 import RoundReply


class Wide(Summing):
    """As if members were so large that any number within 2^61 could be honest."""

    def form(self, number: int) -> Form:
        return Form("int64", self.model.width(number))


class Unchecked(Wide):
    def combine(self, vectors: Mapping[str, Vector]) -> I64:
        return np.sum([vectors[name] for name in sorted(vectors)], axis=0, dtype=np.int64)  # type: ignore[no-any-return]


@pytest.fixture
def world(tmp_path: Path) -> World:
    recipe = SumRecipe.of("a")
    calibrated = recipe.calibrate(epsilon=1.0, delta=1e-5, sharing=None)
    stage = calibrated.stages[0].model_copy(update={"rounds": 3})
    privacy = calibrated.model_copy(update={"stages": (stage,), "rounds": 3})
    return World(tmp_path, plan=make_plan(recipe=recipe, privacy=privacy))


def saying(name: str, number: int) -> Any:
    """A member that says `number` everywhere."""

    def liar(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            answer = honest(envelope)
            if read_envelope(envelope).kind != "RoundRequest":
                return answer
            reply = RoundReply.FromString(read_envelope(answer).body)
            reply.update = to_bytes(np.full(len(reply.update) // 8, number, dtype=np.int64))
            return seal(reply, key_of(name))

        return handle

    return liar


def test_an_honest_run_is_three_rounds_of_sums(world: World) -> None:
    model = world.driver().run()
    assert [sorted(record.updates) for record in model.checkpoint] == [["bank-a", "bank-b", "bank-c"]] * 3
    assert np.abs(model.vector).max() > 0


def test_a_number_beyond_the_members_bound_is_refused_by_name(world: World) -> None:
    world.lie("bank-b", saying("bank-b", MOST))
    world.driver().run()
    assert world.of("round")[0]["refused"] == {"bank-b": "oversized"}


@pytest.mark.parametrize("kind", [Wide, Unchecked])
def test_a_sum_beyond_all_bounds_ends_the_run_and_is_told(world: World, kind: type[Wide]) -> None:
    """The driver's own end of a run, whether the sum itself is refused or what follows from it."""
    rule = rule_of(catalogue(), world.plan)
    assert isinstance(rule, Summing)
    for name in world.banks:
        world.lie(name, saying(name, MOST))
    with pytest.raises(RunFailed, match=r"round 1: (sum|total): got .* expected .*within 2\^61"):
        world.driver(rule=kind(world.plan, rule.model)).run()
    assert [event["where"].split(":")[0] for event in world.of("failed")] == ["round 1"]
    assert world.store().checkpoint() is None
