"""A coordinator that publishes another model than it averaged, and what members have to see it by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from masked_world import Watched
from rounds_world import catalogue
from trail_world import LoggedWorld

from federation.errors import ConfigurationError, Refused
from federation.oversight.recompute import Recomputed, recompute
from federation.oversight.rounds import Publication, RoundStatement
from federation.rounds.averaging import F32
from federation.rounds.rule import Rule, rule_of
from protocols.transparency import Statement


class Shifted:
    """The plan's rule, and 3.0 more on every parameter from a round on."""

    def __init__(self, rule: Rule, since: int) -> None:
        self._rule, self._since = rule, since

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rule, name)

    def follow(self, number: int, model: F32, combined: Any) -> F32:
        honest = self._rule.follow(number, model, combined)
        return honest if number < self._since else honest + np.float32(3.0)


def run(folder: Path, since: int = 99) -> LoggedWorld:
    world = LoggedWorld(folder)
    rule = Shifted(rule_of(catalogue(), world.world.plan), since)
    world.world.driver(trail=world.trail(), rule=rule).run()
    return world


def again(world: LoggedWorld, *, published: str | None = None) -> Recomputed:
    """From the statements in the log, and the updates that were kept."""
    said = [RoundStatement.from_json(Statement.read(entry).content) for entry in world.entries("round")]
    rounds = {each.round: each for each in said if each.phase == "train"}
    [model] = [Publication.from_json(Statement.read(entry).content) for entry in world.entries("model")]
    plan, updates = world.world.plan, world.world.folder / "updates"
    rule = rule_of(catalogue(), plan)
    return recompute(plan, rule, rounds, lambda named: (updates / named).read_bytes(), published or model.model_hash)


def test_every_averaged_update_is_kept_and_an_honest_run_follows_from_them(tmp_path: Path) -> None:
    world = run(tmp_path)
    assert again(world) == Recomputed(3, published=True)
    kept = {path.name for path in (world.world.folder / "updates").iterdir()}
    said = [RoundStatement.from_json(Statement.read(entry).content) for entry in world.entries("round")]
    assert kept == {each.update_hash for statement in said for each in statement.updates.values()}


@pytest.mark.parametrize("since", [1, 2, 3])
def test_a_shifted_model_is_named_by_its_round(tmp_path: Path, since: int) -> None:
    found = again(run(tmp_path, since))
    assert found.difference is not None
    assert (found.rounds, found.difference.round, found.difference.what) == (since - 1, since, "result")


def test_a_published_model_that_no_round_led_to(tmp_path: Path) -> None:
    found = again(run(tmp_path), published="ab" * 32)
    assert found.difference is not None
    assert (found.rounds, found.difference.round, found.published) == (3, None, False)


def test_a_round_that_starts_from_another_model(tmp_path: Path) -> None:
    """What members trained on: the round before ended otherwise."""
    world = run(tmp_path)
    said = [RoundStatement.from_json(Statement.read(entry).content) for entry in world.entries("round")][:3]
    rounds = {each.round: each for each in said}
    rounds[2] = RoundStatement.from_json({**rounds[2].to_json(), "model_hash": "cd" * 32})
    updates = world.world.folder / "updates"
    rule = rule_of(catalogue(), world.world.plan)
    found = recompute(world.world.plan, rule, rounds, lambda named: (updates / named).read_bytes())
    assert found.difference is not None
    assert (found.difference.round, found.difference.what) == (2, "model sent")


def test_an_update_that_is_not_the_one_named_is_refused(tmp_path: Path) -> None:
    world = run(tmp_path)
    updates = sorted((world.world.folder / "updates").iterdir(), key=lambda path: path.stat().st_size)
    updates[0].write_bytes(updates[1].read_bytes())
    with pytest.raises(Refused, match="round"):
        again(world)


def test_masked_runs_are_not_covered_and_keep_nothing() -> None:
    world = Watched().world
    world.driver().run()
    assert (world.folder / "model.json").exists()
    assert not (world.folder / "updates").exists()
    with pytest.raises(ConfigurationError, match="masked updates"):
        recompute(world.plan, rule_of(catalogue(), world.plan), {}, lambda _named: b"")
