"""The layout and the places of one's own customers: what a relay could do, and what refuses it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import Epoch, Seeded, World

from protocols.errors import MessageError, ProofError
from protocols.lookup.dummies import check_no_dummies, dummy_points, dummy_sources
from protocols.lookup.layout import Layout, arrange, check_contribution, check_points, lift, order_key, union
from protocols.lookup.placement import PlacesChunk, check_places, own_places, prove_places
from protocols.oprf.group import IDENTITY, hash_to_group, multiply, random_scalar

NOT_CANONICAL = (2**255 - 19).to_bytes(32, "little")  # zero, written as p


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=40)


@pytest.fixture(scope="module")
def epoch(world: World) -> Epoch:
    epoch = world.prepare()
    world.place(epoch)
    world.sign(epoch)
    return epoch


def points_of(layout: Layout) -> list[bytes]:
    return [layout.point(index) for index in range(layout.subjects)]


def check(layout: Layout, size: int = 16) -> None:
    for chunk in layout.chunks(size):
        check_points(layout.layout_id, chunk)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_every_point_is_found_where_it_stands_and_no_other(count: int, slots: int, chunk: int) -> None:
    points = [hash_to_group(bytes([number])) for number in range(count)]
    layout = arrange(bytes(32), b"".join(points), [], slots)
    check(layout, chunk)
    for point in points:
        place = layout.find(point)
        assert place is not None
        assert place[1] < slots
        assert layout.point(place[0] * slots + place[1]) == point
    assert layout.find(hash_to_group(b"absent")) is None
    assert sorted(layout.positions(points)) == list(range(count))
    assert list(layout.positions([hash_to_group(b"absent")])) == [-1]


def test_nobody_chooses_a_place(epoch: Epoch) -> None:
    other = arrange(bytes(32), epoch.layout.points, [], epoch.layout.slots)
    assert set(points_of(other)) == set(points_of(epoch.layout))
    assert other.points != epoch.layout.points
    keys = [order_key(epoch.layout.layout_id, point) for point in points_of(epoch.layout)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("index", "bad", "got"),
    [
        (0, IDENTITY, "the identity"),
        (17, IDENTITY, "the identity"),
        (16, NOT_CANONICAL, "no canonical element"),
        (31, b"\xff" * 32, "no canonical element"),
    ],
)
def test_a_point_that_is_none_is_refused_with_its_index(epoch: Epoch, index: int, bad: bytes, got: str) -> None:
    points = points_of(epoch.layout)
    points[index] = bad
    with pytest.raises(ProofError, match=f"relay, layout, point {index}: got.*{got}"):
        check(replace(epoch.layout, points=b"".join(points)))


@pytest.mark.parametrize("index", [1, 15, 16, 17, 32])
def test_a_swap_and_a_repetition_are_refused_within_and_across_chunks(epoch: Epoch, index: int) -> None:
    points = points_of(epoch.layout)
    swapped = [*points[: index - 1], points[index], points[index - 1], *points[index + 1 :]]
    with pytest.raises(ProofError, match=f"points {index - 1} to {index}: got another order"):
        check(replace(epoch.layout, points=b"".join(swapped)))
    repeated = [*points[:index], points[index - 1], *points[index:]]
    with pytest.raises(ProofError, match=f"points {index - 1} to {index}: got the same point"):
        check(replace(epoch.layout, points=b"".join(repeated)))


def test_a_missing_dummy_is_named(world: World, epoch: Epoch) -> None:
    dummies = dummy_points(epoch.header, 8)
    without = [point for point in points_of(epoch.layout) if point != dummies[3]]
    with pytest.raises(ProofError, match="relay, layout, dummy 3: got no place"):
        replace(epoch.layout, points=b"".join(without)).check_holds(dummies, "dummy")


def test_the_epoch_names_one_layout_to_the_bit(epoch: Epoch) -> None:
    assert epoch.signed is not None
    epoch.layout.check_named(epoch.signed.epoch)
    for changed in (
        replace(epoch.layout, points=epoch.layout.points[:-32]),
        replace(epoch.layout, points=epoch.layout.points[:-32] + hash_to_group(b"planted")),
        replace(epoch.layout, slots=epoch.layout.slots + 1),
        replace(epoch.layout, layout_id=bytes(32)),
    ):
        with pytest.raises(MessageError, match=r"epoch\."):
            changed.check_named(epoch.signed.epoch)


def test_contributions_are_capped_checked_and_named(world: World) -> None:
    known = list(world.pseudonyms["bank-00"].values())
    check_contribution(world.roster, "bank-00", b"".join(known))
    for points, got in (
        (known + [hash_to_group(bytes([number])) for number in range(6)], "bytes"),
        ([*known, known[0]], "one point twice"),
        ([*known[1:], IDENTITY], "the identity"),
        ([*known[1:], NOT_CANONICAL], "no canonical"),
    ):
        with pytest.raises(MessageError, match=f"of bank-00: got.*{got}"):
            check_contribution(world.roster, "bank-00", b"".join(points))


def test_who_reports_what_stands_in_a_dummys_place_is_named(world: World, epoch: Epoch) -> None:
    """Unchecked, the layout is made for nobody, and the error cannot say whose point it was."""
    known = [*list(world.pseudonyms["bank-00"].values())[1:], dummy_sources(epoch.header, 8)[5]]
    check_contribution(world.roster, "bank-00", b"".join(known))
    with pytest.raises(MessageError, match="lifted points: got one point twice"):
        arrange(epoch.header.id, lift(epoch.z, b"".join(known)), dummy_points(epoch.header, 8), 4)
    with pytest.raises(MessageError, match="points of bank-00: got one that stands where a dummy does"):
        check_no_dummies(epoch.header, 8, "bank-00", known)
    check_no_dummies(epoch.header, 8, "bank-00", known[:-1])


def test_the_union_holds_everybody_once_and_does_not_tell_whose(world: World) -> None:
    contributions = {name: b"".join(known.values()) for name, known in world.pseudonyms.items()}
    merged = union(contributions)
    everybody = {point for known in world.pseudonyms.values() for point in known.values()}
    assert merged == b"".join(sorted(everybody))
    with pytest.raises(MessageError, match="one point twice"):
        arrange(bytes(32), merged + merged[:32], [], 4)
    with pytest.raises(MessageError):
        lift(random_scalar(Seeded(1)), merged + IDENTITY)


# ---- own places


def test_places_are_those_of_the_layout(world: World, epoch: Epoch) -> None:
    for name in world.names:
        identifiers = list(world.pseudonyms[name])
        for identifier, position in zip(identifiers, epoch.places[name].positions, strict=True):
            assert divmod(int(position), epoch.layout.slots) == epoch.layout.find(epoch.point(identifier))


def answer(world: World, epoch: Epoch) -> PlacesChunk:
    points = list(world.pseudonyms["bank-00"].values())
    lifted, proof = prove_places(epoch.z, epoch.header, "bank-00", points, world.random)
    return PlacesChunk(0, b"".join(points), lifted, proof)


def test_a_lie_about_one_place_is_refused(world: World, epoch: Epoch) -> None:
    honest = answer(world, epoch)
    check_places(epoch.header, "bank-00", honest)
    first, second, rest = honest.lifted[:32], honest.lifted[32:64], honest.lifted[64:]
    last = len(honest.points) // 32 - 1
    for lifted in (
        second + first + rest,  # another subject's place
        hash_to_group(b"planted") + second + rest,
        multiply(random_scalar(world.random), honest.points[:32]) + second + rest,  # another z
        IDENTITY + second + rest,
        first + second,
    ):
        with pytest.raises(ProofError, match=f"relay, places of customers 0 to {last}"):
            check_places(epoch.header, "bank-00", replace(honest, lifted=lifted))


def test_a_proof_serves_one_layout_and_one_member(world: World, epoch: Epoch) -> None:
    honest = answer(world, epoch)
    with pytest.raises(ProofError, match="relay"):
        check_places(epoch.header, "bank-01", honest)
    with pytest.raises(ProofError, match="relay"):
        check_places(replace(epoch.header, counter=2), "bank-00", honest)


def test_a_proof_under_another_key_than_the_published_one_is_refused(world: World, epoch: Epoch) -> None:
    points = list(world.pseudonyms["bank-00"].values())
    lifted, proof = prove_places(random_scalar(world.random), epoch.header, "bank-00", points, world.random)
    with pytest.raises(ProofError, match="relay"):
        check_places(epoch.header, "bank-00", PlacesChunk(0, b"".join(points), lifted, proof))


def test_a_customer_left_out_of_the_layout_is_named(world: World, epoch: Epoch) -> None:
    honest = answer(world, epoch)
    second = honest.lifted[32:64]
    without = b"".join(point for point in points_of(epoch.layout) if point != second)
    with pytest.raises(ProofError, match="relay, place of customer 1: got none"):
        own_places(replace(epoch.layout, points=without), honest.lifted)
    with pytest.raises(MessageError, match="one place twice"):
        own_places(epoch.layout, honest.lifted + second)
    assert np.array_equal(own_places(epoch.layout, honest.lifted).positions, epoch.places["bank-00"].positions)


def test_a_layout_has_points_and_a_shape(epoch: Epoch) -> None:
    """A shape is part of what members sign: with other slots, the same points stand in other rows."""
    layout = epoch.layout
    for points in (b"", layout.points[:-1]):
        with pytest.raises(MessageError, match="layout: got"):
            replace(layout, points=points)
    with pytest.raises(MessageError, match=r"layout\.slots: got 0"):
        replace(layout, slots=0)
    assert replace(layout, slots=layout.slots + 1).digest != layout.digest
    assert replace(layout, layout_id=bytes(32)).digest != layout.digest
    key = hashlib.sha256(b"fedscore/v1/lookup/order\0" + layout.layout_id + layout.point(0)).digest()[:16]
    assert order_key(layout.layout_id, layout.point(0)) == key


def test_a_member_reports_all_that_it_attested_and_not_one_more(world: World) -> None:
    attested = world.roster.member("bank-01").customers
    points = [hash_to_group(b"%d" % number) for number in range(attested + 1)]
    check_contribution(world.roster, "bank-01", b"".join(points[:-1]))
    with pytest.raises(MessageError, match=f"points of bank-01: .* expected <= {attested} points"):
        check_contribution(world.roster, "bank-01", b"".join(points))
