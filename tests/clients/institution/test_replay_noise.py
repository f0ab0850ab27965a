"""The noise of attempts: whose seed, which keys, once; and what could be chosen or cancelled if it were otherwise."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from replay_world import ReplayWorld
from rounds_world import catalogue

from clients.institution.replay import randomness
from federation.oversight.replay import ABORTED, Place
from federation.privacy.drbg import DrbgNoise
from federation.rounds import model_hash, model_to_bytes
from federation.training.additive import AdditiveModel
from protocols.errors import StageError
from protocols.replay import Attempt, Context, SeedSecret

FIRST = Place("spring", "train", 1, 1)


@pytest.fixture
def world(tmp_path: Path) -> ReplayWorld:
    return ReplayWorld(tmp_path / "bank-a")


def test_every_attempt_has_noise_of_its_own_and_what_was_sent_matches(world: ReplayWorld) -> None:
    """The first attempt of round 1 fails after its noise was drawn: it is burnt, and there is nothing to compare, which
    is no fault, whatever became of the seed.
    """
    world.prepare(FIRST)
    lost = world.begin(FIRST, world.start())
    unsent = world.computation.train(world.plan, 500, 1, world.start(), lost)
    world.ledger.fail(world.reservation, "internal")
    places = [Place("spring", "train", 1, 2), Place("spring", "train", 2, 1)]
    updates = [unsent]
    for place in places:
        world.prepare(place)
        updates.append(world.round(place))
    assert len({update.tobytes() for update in updates}) == 3
    assert all(world.replay(place).matches for place in places)
    for result in (world.replay(FIRST), world.store.destroy(FIRST) or world.replay(FIRST)):
        assert (result.findings, result.update_hash) == ((ABORTED,), "")
        assert result.aborted
        assert not result.matches


def test_another_commitment_by_the_same_place_draws_no_new_seed(world: ReplayWorld) -> None:
    assert world.randomness.commit(FIRST) == world.randomness.commit(FIRST)
    sealed = world.store.require(FIRST)
    with pytest.raises(StageError, match="second seed"):
        world.store.commit(sealed, world.store.secret(FIRST))


def noises(world: ReplayWorld, tries: int) -> dict[str, bytes]:
    """What an institution that owns its disk can draw from one commitment, once it knows the beacon: it puts back what
    it kept of the attempt, reserves at another time, looks. By the reservations' hashes.
    """
    world.prepare(FIRST)
    ready, seen = world.store.require(FIRST), {}
    for _ in range(tries):
        world.clock.sleep(1)
        world.store.keep(ready)
        world.ledger = world.new_ledger()
        noise = world.begin(FIRST, world.start())
        seen[world.reservation.entry_hash] = noise.discrete_gaussian(20, Fraction(1000)).tobytes()
    return seen


def test_reserving_again_draws_the_same_noise(world: ReplayWorld) -> None:
    found = noises(world, 6)
    assert len(found) == 6
    assert len(set(found.values())) == 1


def test_with_the_reservation_in_the_key_the_noise_could_be_chosen(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = randomness.drawn_noise

    def bound(secret: SeedSecret, attempt: Attempt, context: Context) -> DrbgNoise:
        return drawn(secret, attempt, replace(context, record_root=attempt.reservation_hash))

    monkeypatch.setattr(randomness, "drawn_noise", bound)
    lengths = sorted(float(np.linalg.norm(np.frombuffer(each, np.int64))) for each in noises(world, 20).values())
    assert len(set(lengths)) == 20
    assert lengths[0] < 0.85 * lengths[10]


def one_step(world: ReplayWorld) -> None:
    """Everybody in one step: what a coordinator would ask for to see two sums under one noise."""
    full = {"sampler": "full", "sampling_rate": 1.0, "steps_per_round": 1}
    world.plan = world.plan.model_copy(update={"privacy": world.plan.privacy.model_copy(update=full)})


def difference(world: ReplayWorld, keys: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """(difference of two updates for two models, what it would be without noise), in units of the clip."""
    one_step(world)
    world.prepare(FIRST)
    secret, attempt = world.store.secret(FIRST), world.store.require(FIRST).attempt
    models = [world.start(), (world.start() - 2).astype(np.float32)]
    updates, sums = [], []
    for model in models:
        hashes = {
            "model_hash": keys.get("model_hash") or model_hash(model_to_bytes(model)).hex(),
            "plan_hash": world.plan.hash,
        }
        noise = randomness.drawn_noise(secret, attempt, world.randomness.context(FIRST, **hashes))
        updates.append(world.computation.train(world.plan, 500, 1, model, noise).astype(np.float64))
        held = world.held
        assert held.target is not None
        sums.append(AdditiveModel(catalogue()).clipped_sum(model.astype(np.float64), held.codes, held.target, 0.5))
    unit = -500 / world.plan.recipe.learning_rate / 0.5
    return unit * (updates[0] - updates[1]), (sums[0] - sums[1]) / 2.0**31


def test_with_the_model_in_the_keys_the_difference_is_twice_as_noisy(world: ReplayWorld) -> None:
    seen, bare = difference(world, {})
    spread = float(np.std(seen - bare))
    assert spread == pytest.approx(30 * 2**0.5, rel=0.5)


def test_with_the_model_left_out_the_difference_is_free_of_noise(world: ReplayWorld) -> None:
    """The attack: two exact sums of clipped gradients apart, in which every single record can be read."""
    seen, bare = difference(world, {"model_hash": "0" * 64})
    assert np.abs(seen - bare).max() < 0.02
    assert np.abs(bare).max() > 1


def test_an_attempt_that_was_used_gives_no_noise_again(world: ReplayWorld) -> None:
    world.prepare(FIRST)
    world.round(FIRST)
    for model_hash_ in (world.store.require(FIRST).attempt.model_hash, "e" * 64):
        hashes = {"model_hash": model_hash_, "plan_hash": world.plan.hash}
        context = world.randomness.context(FIRST, **hashes)
        with pytest.raises(StageError):
            world.randomness.noise(context, b"", "d" * 64)
    assert world.randomness.repeats(FIRST, world.store.require(FIRST).attempt.model_hash)
    with pytest.raises(StageError, match="another model"):
        world.randomness.repeats(FIRST, "e" * 64)


def test_no_noise_before_commitment_and_beacon(world: ReplayWorld) -> None:
    context = Context("spring", "train", 1, 1, "a" * 64, "b" * 64, "c" * 64)
    with pytest.raises(StageError, match="commitment"):
        world.randomness.noise(context, b"", "d" * 64)
    world.commit(FIRST)
    assert not world.randomness.ready(FIRST)
    with pytest.raises(StageError, match="committed"):
        world.randomness.noise(context, b"", "d" * 64)
