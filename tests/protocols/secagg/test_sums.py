"""The sum is that of plain integers, exactly: whoever drops, whenever, as long as not more than may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secagg_world import World, plan_of

from protocols.errors import StageError
from protocols.secagg import Collector, Member

CASES = [(3, 0), (4, 1), (5, 0), (5, 1), (10, 0), (10, 1), (10, 2), (50, 0), (50, 6)]


@pytest.mark.parametrize(("members", "droppers"), CASES)
def test_every_number_of_droppers_at_every_step(members: int, droppers: int) -> None:
    """`silent` shared their secrets and sent no vector, `late` sent a vector and revealed nothing."""
    counts = range(droppers + 1)
    steps = [(silent, late) for silent in counts for late in counts if silent + late <= droppers]
    if members == 50:
        steps = [(silent, late) for silent, late in steps if silent + late == droppers and silent % 3 == 0]
    world = World(plan_of(members, droppers, rounds=len(steps)))
    for number, (silent, late) in enumerate(steps, 1):
        order = [world.plan.names[(number * 7 + at) % members] for at in range(members)]
        world.round(number, 9, silent=order[:silent], late=order[silent : silent + late], size=(4, 8)[number % 2])


def test_over_many_rounds_with_other_droppers_in_each() -> None:
    world = World(plan_of(10, 2, rounds=12))
    for number in range(1, 13):
        gone = world.numbers.choice(world.plan.names, 2, replace=False)
        world.round(number, 3, silent=gone[: number % 3], late=gone[number % 3 :])


@settings(max_examples=15, deadline=None)
@given(
    st.integers(3, 8),
    st.integers(0, 2**32),
    st.sampled_from([1, 2, 16_383, 16_384, 16_385, 32_767, 32_769, 70_000]),
    st.sampled_from([4, 8]),
    st.data(),
)
def test_any_plan_any_width_any_droppers(members: int, seed: int, width: int, size: int, data: st.DataObject) -> None:
    """Widths on both sides of the blocks that masks are made in."""
    most = max(d for d in range(3) if members - 1 > d * (d + 1))
    droppers = data.draw(st.integers(0, most))
    world = World(plan_of(members, droppers), seed)
    gone = data.draw(st.lists(st.sampled_from(world.plan.names), unique=True, max_size=droppers))
    cut = data.draw(st.integers(0, len(gone)))
    world.round(1, width, silent=gone[:cut], late=gone[cut:], size=size)


def test_signed_numbers_are_their_twos_complement() -> None:
    world = World(plan_of(3, 0))
    values = {name: np.array([-5, 2**61, -(2**61)]) * (at + 1) for at, name in enumerate(world.plan.names)}
    total = world.offered(1, {name: value.view(np.uint64) for name, value in values.items()})
    assert total.total().view(np.int64).tolist() == [-30, 6 * 2**61 - 2**64, 2**64 - 6 * 2**61]
    small = World(plan_of(4, 1))
    values = {name: np.array([-5, 2**60, -(2**60)]) for name in small.plan.names}
    total = small.offered(1, {name: value.view(np.uint64) for name, value in values.items()})
    for name in total.close():
        total.reveal(name, small.reveal(name, total.unmasking(name)))
    assert total.total().view(np.int64).tolist() == [-20, 2**62, -(2**62)]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([4, 8]), st.integers(0, 1), st.data())
def test_sums_are_exact_up_to_the_words_end_and_not_beyond(size: int, droppers: int, data: st.DataObject) -> None:
    """The largest sum of either sign comes out as it is; one more is the smallest, and nobody can tell."""
    world = World(plan_of(4, droppers))
    end, narrow = 256**size // 2, f"i{size}"
    parts = data.draw(st.lists(st.integers(-end // 3, end // 3), min_size=3, max_size=3))
    for total, seen in ((end - 1, end - 1), (-end, -end), (end, -end)):
        rows = dict(zip(world.plan.names, [*parts, total - sum(parts)], strict=True))
        columns = {name: np.array([value, 0], object) % 256**size for name, value in rows.items()}
        vectors = {name: column.astype(f"u{size}") for name, column in columns.items()}
        again = World(plan_of(4, droppers))
        opened = again.offered(1, vectors)
        for name in opened.close() if droppers else ():
            opened.reveal(name, again.reveal(name, opened.unmasking(name)))
        assert opened.total().view(narrow).tolist() == [seen, 0]


def test_one_dropper_too_many_and_nothing_opens() -> None:
    world = World(plan_of(5, 1))
    total = world.offered(1, world.vectors(4, world.plan.names[2:]))
    for act in (total.close, total.total, lambda: total.unmasking(world.plan.names[3])):
        with pytest.raises(
            StageError, match=r"round 1: got 3 survivors, without bank-00, bank-01, expected at least 4"
        ):
            act()


def test_one_reveal_too_few_and_nothing_opens() -> None:
    world = World(plan_of(5, 1))
    total = world.offered(1, world.vectors(4))
    for name in world.plan.names[: world.plan.threshold - 1]:
        total.reveal(name, world.reveal(name, total.unmasking(name)))
    assert not total.open
    with pytest.raises(StageError, match="got 3 reveals, expected 4"):
        total.total()
    last = world.plan.names[-1]
    total.reveal(last, world.reveal(last, total.unmasking(last)))
    assert total.open
    total.total()


def test_where_nobody_may_drop_nobody_is_asked_for_anything() -> None:
    world = World(plan_of(3, 0))
    vectors = world.vectors(5)
    total = world.offered(1, vectors)
    assert not any(world.collector._dealt[name].bundles for name in world.plan.names)
    for name in world.plan.names:
        with pytest.raises(StageError, match="an unmasking, expected none"):
            total.unmasking(name)
    assert (total.total() == sum(vectors.values())).all()


def test_who_drops_before_the_set_up_is_over_keeps_the_run_from_starting() -> None:
    """Before its advert, and between advert and shares: a plan without it is another plan."""
    plan = plan_of(4, 1)
    whole = World(plan)
    first, *others = plan.names
    collector = Collector(plan)
    for name in others:
        collector.advert(name, whole.collector.adverts[name])
    with pytest.raises(StageError, match=f"none of {first}"):
        _ = collector.adverts
    with pytest.raises(StageError, match=f"none of {first}"):
        whole.states[others[0]].share({name: whole.collector.adverts[name] for name in others})
    collector.advert(first, whole.collector.adverts[first])
    for name in others:
        collector.shares(name, whole.collector._shares[name])
    assert collector.missing == (first,)
    with pytest.raises(StageError, match=f"none of {first}, expected every member's"):
        collector.round(1, 4)
    without = World(plan_of(3, 0))
    without.round(1, 4)


def test_members_come_in_any_order_of_arrival() -> None:
    world = World(plan_of(5, 1))
    vectors = world.vectors(6, reversed(world.plan.names[1:]))
    total = world.offered(1, vectors)
    for name in sorted(total.close(), key=lambda name: name[::-1], reverse=True):
        total.reveal(name, world.reveal(name, total.unmasking(name)))
    assert (total.total() == sum(vectors.values())).all()
    assert total.dropped == world.plan.names[:1]
    assert isinstance(world.states[world.plan.names[0]], Member)
