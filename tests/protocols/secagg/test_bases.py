"""Members that were told different things: what they send stays masked, whoever of them is put together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from secagg_world import World, plan_of

from protocols.errors import StageError
from protocols.secagg import Words, keys, to_wire
from protocols.secagg.masks import with_masks

ONE, OTHER = b"\x01" * 32, b"\x02" * 32
VICTIM = "bank-00"


def summed(world: World, told: Mapping[str, bytes], basis: bytes, vectors: Mapping[str, Words]) -> Words:
    """What a coordinator makes of the answers of those in `told`: masks off, as the protocol allows it to."""
    total = world.collector.round(1, 8, basis)
    for name, each in told.items():
        world.states[name], masked = world.states[name].mask(1, vectors[name], each)
        total.offer(name, masked)
    if world.plan.recoverable:
        for name in total.close():
            total.reveal(name, world.reveal(name, total.unmasking(name)))
    return total.total()


@pytest.mark.parametrize("droppers", [0, 1])
def test_without_a_basis_what_differs_from_member_to_member_is_summed_all_the_same(droppers: int) -> None:
    """The victim computes what is asked of it, all others something that adds nothing: the sum is its vector."""
    world = World(plan_of(4, droppers))
    vectors = {name: np.zeros(8, np.uint64) for name in world.plan.names} | {VICTIM: np.arange(8, dtype=np.uint64)}
    assert (summed(world, dict.fromkeys(world.plan.names, b""), b"", vectors) == vectors[VICTIM]).all()


@pytest.mark.parametrize("droppers", [0, 1])
@pytest.mark.parametrize("assumed", [ONE, OTHER])
def test_with_it_nothing_comes_out_of_members_that_were_told_different_things(droppers: int, assumed: bytes) -> None:
    world = World(plan_of(4, droppers))
    vectors = {name: np.zeros(8, np.uint64) for name in world.plan.names} | {VICTIM: np.arange(8, dtype=np.uint64)}
    told = dict.fromkeys(world.plan.names, ONE) | {VICTIM: OTHER}
    assert not (summed(world, told, assumed, vectors) >> np.uint64(48) == 0).any()  # 8 words: by chance 2^-13


def test_a_member_that_drops_is_taken_out_of_the_sum_of_those_that_were_told_the_same() -> None:
    world = World(plan_of(4, 1))
    vectors = world.vectors(8)
    told = dict.fromkeys(world.plan.names[1:], ONE)
    expected = np.sum([vectors[name] for name in told], axis=0, dtype=np.uint64)
    assert (summed(world, told, ONE, vectors) == expected).all()


def test_who_dropped_and_was_told_another_thing_does_not_come_back_by_its_opened_mask_key() -> None:
    """Its masks towards the survivors are those of their basis; its own vector keeps its own mask."""
    world = World(plan_of(4, 1))
    vectors = world.vectors(8)
    _, late = world.states[VICTIM].mask(1, vectors[VICTIM], OTHER)
    told = dict.fromkeys(world.plan.names[1:], ONE)
    total = summed(world, told, ONE, vectors)
    for basis in (ONE, OTHER):
        key = world.states[VICTIM].secrets[1].mask
        plus, minus = world.collector._opened().pair_keys(1, VICTIM, key, list(told), basis)
        assert (with_masks(late, minus, plus) != vectors[VICTIM]).any()
    assert (total == np.sum([vectors[name] for name in told], axis=0, dtype=np.uint64)).all()


def test_one_number_masks_one_vector_of_one_basis() -> None:
    world = World(plan_of(3, 0))
    vector = np.arange(8, dtype=np.uint64)
    world.states[VICTIM], _ = world.states[VICTIM].mask(1, vector, ONE)
    with pytest.raises(StageError, match="round 1: got a second vector"):
        world.states[VICTIM].mask(1, vector, OTHER)


def halves(world: World) -> Words:
    """What is left of zeros in low halves: one member takes them for words of 8 bytes, the others for words of 4."""
    vectors = {name: np.zeros(8, np.uint32) for name in world.plan.names}
    sent = world.mask(1, {**vectors, VICTIM: np.zeros(4, np.uint64)})
    low = [np.frombuffer(to_wire(vector), "<u4")[::2] for vector in sent.values()]
    return np.asarray(np.sum(low, axis=0, dtype=np.uint32))


def test_masks_of_words_of_different_sizes_do_not_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert halves(World(plan_of(3, 0))).all()  # 4 words: by chance 2^-30
    monkeypatch.setattr(keys, "_of_words", lambda label, word_bytes: label)
    assert not halves(World(plan_of(3, 0))).any()
