"""A coordinator that publishes another model than it averaged, and what members have to see it by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from masked_world import QUARTET, coarsen, masked_plan
from rounds_world import catalogue
from trail_world import LoggedWorld

from federation.errors import ConfigurationError, Refused
from federation.oversight.recompute import OPENED, Own, Recomputed, recompute
from federation.oversight.rounds import Publication, RoundStatement
from federation.rounds.averaging import F32, model_hash, model_to_bytes, update_hash
from federation.rounds.rule import Rule, rule_of
from federation.rounds.vectors import to_bytes
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


def statements(world: LoggedWorld) -> dict[int, RoundStatement]:
    """The training rounds in the log."""
    said = [RoundStatement.from_json(Statement.read(entry).content) for entry in world.entries("round")]
    return {each.round: each for each in said if each.phase == "train"}


def again(world: LoggedWorld, *, published: str | None = None, own: Own | None = None) -> Recomputed:
    """From the statements in the log, and the updates that were kept."""
    rounds = statements(world)
    [model] = [Publication.from_json(Statement.read(entry).content) for entry in world.entries("model")]
    plan, updates = world.world.plan, world.world.folder / "updates"
    rule = rule_of(catalogue(), plan)
    wanted = published or model.model_hash
    return recompute(plan, rule, rounds, lambda named: (updates / named).read_bytes(), wanted, own)


def test_every_averaged_update_is_kept_and_an_honest_run_follows_from_them(tmp_path: Path) -> None:
    world = run(tmp_path)
    found = again(world)
    assert (found.rounds, found.published, found.difference, found.masked) == (3, True, None, False)
    assert OPENED not in found.unchecked
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


def test_the_own_update_is_held_against_what_was_sent(tmp_path: Path) -> None:
    world = run(tmp_path)
    said = statements(world)[1].updates["bank-a"]
    honest = {
        each.updates["bank-a"].reservation_hash: each.updates["bank-a"].update_hash
        for each in statements(world).values()
    }
    assert again(world, own=Own("bank-a", honest)).own == 3
    other = again(world, own=Own("bank-a", honest | {said.reservation_hash: "ab" * 32})).difference
    assert other is not None
    assert (other.round, other.what, other.got, other.expected) == (1, "update of bank-a", said.update_hash, "ab" * 32)
    nothing = again(world, own=Own("bank-a", {})).difference
    assert nothing is not None
    assert nothing.expected == "none of this reservation"
    carried = again(world, own=Own("bank-a", {}, whole=False))  # a ledger that begins after the run
    assert (carried.rounds, carried.difference, carried.own) == (3, None, 0)
    assert again(world, own=Own("bank-z", {})).own == 0  # whose update is in none: nothing to hold against


def masked_run(folder: Path, since: int = 99, *, droppers: int = 0) -> LoggedWorld:
    plan = masked_plan(QUARTET, droppers=droppers)
    world = LoggedWorld(folder, plan)
    world.world.driver(trail=world.trail(), rule=Shifted(rule_of(catalogue(), plan), since)).run()
    return world


@pytest.mark.parametrize("droppers", [0, 1])
def test_a_masked_run_follows_from_the_sums_that_were_opened(tmp_path: Path, droppers: int) -> None:
    world = masked_run(tmp_path, droppers=droppers)
    found = again(world)
    assert (found.rounds, found.published, found.difference, found.masked) == (3, True, None, True)
    assert (OPENED in found.unchecked) is (droppers > 0)
    updates = world.world.folder / "updates"
    for statement in statements(world).values():
        opened = np.frombuffer((updates / statement.sum_hash).read_bytes(), dtype="<i8")
        assert np.abs(opened).max() < 2**48  # masks are off, and of what each member sent they are not
        for each in statement.updates.values():
            assert np.abs(np.frombuffer((updates / each.update_hash).read_bytes(), dtype="<i8")).max() > 2**60


def test_a_masked_run_in_words_of_4_bytes_follows_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coarsen(monkeypatch)
    world = masked_run(tmp_path)
    found = again(world)
    assert (found.rounds, found.published, found.difference) == (3, True, None)
    rounds, updates = statements(world), world.world.folder / "updates"
    width = rule_of(catalogue(), world.world.plan).masked_form(2).size
    sizes = {(updates / each.update_hash).stat().st_size for each in rounds[2].updates.values()}
    assert sizes == {4 * width}
    forged = np.frombuffer((updates / rounds[2].sum_hash).read_bytes(), dtype="<i8") + 2**32  # the same modulo 2^32
    named = update_hash(to_bytes(forged)).hex()
    (updates / named).write_bytes(to_bytes(forged))
    rounds[2] = replace(rounds[2], sum_hash=named)
    with pytest.raises(Refused, match="norm"):
        recompute(
            world.world.plan, rule_of(catalogue(), world.world.plan), rounds, lambda at: (updates / at).read_bytes()
        )


@pytest.mark.parametrize("since", [1, 3])
def test_a_shifted_model_of_masked_rounds_is_named_by_its_round(tmp_path: Path, since: int) -> None:
    found = again(masked_run(tmp_path, since))
    assert found.difference is not None
    assert (found.rounds, found.difference.round, found.difference.what) == (since - 1, since, "result")


def test_a_sum_that_is_not_the_sum_of_the_masked_updates(tmp_path: Path) -> None:
    """A coordinator that adds to the sum, and says and follows the sum it made up: nothing but the updates tells."""
    world = masked_run(tmp_path)
    rounds, plan, updates = statements(world), world.world.plan, world.world.folder / "updates"
    rule, said = rule_of(catalogue(), plan), rounds[1]
    forged = np.frombuffer((updates / said.sum_hash).read_bytes(), dtype="<i8") + 2**40
    named = update_hash(to_bytes(forged)).hex()
    (updates / named).write_bytes(to_bytes(forged))
    follows = model_hash(model_to_bytes(rule.follow(1, rule.initial(), forged))).hex()
    rounds[1] = replace(said, sum_hash=named, result_hash=follows)
    found = recompute(plan, rule, rounds, lambda name: (updates / name).read_bytes())
    assert found.difference is not None
    assert (found.rounds, found.difference.round, found.difference.what) == (0, 1, "sum")
    assert (found.difference.got, found.difference.expected) == (named, said.sum_hash)
    # The same where a member may drop out passes, and what comes out says that it was not checked.
    loose = masked_plan(QUARTET, droppers=1)
    blind = recompute(loose, rule, {1: rounds[1]}, lambda name: (updates / name).read_bytes())
    assert (blind.rounds, blind.difference) == (1, None)
    assert OPENED in blind.unchecked


def test_a_masked_round_of_fewer_than_the_plan_needs(tmp_path: Path) -> None:
    world = masked_run(tmp_path)
    rounds = statements(world)
    fewer = {name: each for name, each in rounds[2].updates.items() if name != "bank-d"}
    rounds[2] = replace(rounds[2], updates=fewer)
    updates, rule = world.world.folder / "updates", rule_of(catalogue(), world.world.plan)
    found = recompute(world.world.plan, rule, rounds, lambda name: (updates / name).read_bytes())
    assert found.difference is not None
    assert (found.difference.round, found.difference.what) == (2, "members")


def test_a_masked_round_that_says_no_sum_cannot_be_judged(tmp_path: Path) -> None:
    world = masked_run(tmp_path)
    rounds = {number: replace(each, sum_hash="") for number, each in statements(world).items()}
    updates, rule = world.world.folder / "updates", rule_of(catalogue(), world.world.plan)
    with pytest.raises(ConfigurationError, match="no sum in the log"):
        recompute(world.world.plan, rule, rounds, lambda name: (updates / name).read_bytes())
