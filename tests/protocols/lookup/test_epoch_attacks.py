"""Attacks on records, each shown to work where its protection is taken away, and to fail where it is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from world import START, WEEK, Epoch, Seeded, World, signed_values, without_masks

from protocols.errors import ProofError, StageError
from protocols.lookup.pads import pad
from protocols.lookup.parameters import MODULUS
from protocols.lookup.placement import PlacesChunk, check_places, own_places
from protocols.lookup.secrets import EpochSecrets
from protocols.oprf.group import base, invert, multiply, random_scalar


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=60)


@pytest.fixture(scope="module")
def epoch(world: World) -> Epoch:
    return world.epoch()


def opened(epoch: Epoch, tables: Iterable[str], padders: Iterable[str], identifier: bytes) -> NDArray[np.int64]:
    """Some members' tables added up, some members' pads taken away: what colluders who hold those read."""
    place = epoch.layout.find(epoch.point(identifier))
    assert place is not None
    every = epoch.opened_pads(identifier)
    found = sum(epoch.table(name)[place].astype(np.int64) for name in tables)
    return signed_values(np.asarray(found - sum(every[name].astype(np.int64) for name in padders)))


def own(world: World, name: str, identifier: bytes) -> list[int]:
    known = identifier in world.records[name]
    return [0, 1, *map(int, world.records[name][identifier])] if known else [0] * 8


# ---- zero-sum masks (threats 34, 35)


def readable(world: World, epoch: Epoch, tables: list[str]) -> int:
    """For how many subjects these tables together, with EVERY pad known, give the sum of their members' records."""
    hits = 0
    for identifier in world.identifiers:
        truth = np.sum([own(world, name, identifier) for name in tables], axis=0)
        guesses = (opened(epoch, tables, tables, identifier), opened(epoch, tables, world.names, identifier))
        hits += any(np.array_equal(guess, truth) for guess in guesses)
    return hits


def test_one_table_or_all_but_one_open_nothing_with_every_pad_known(world: World, epoch: Epoch) -> None:
    for name in world.names:
        others = [other for other in world.names if other != name]
        assert readable(world, epoch, [name]) == 0
        assert readable(world, epoch, others) == 0
    assert readable(world, epoch, world.names) == len(world.identifiers)


def test_without_masks_querier_and_coordinator_read_one_members_record(world: World) -> None:
    epoch = world.prepare()
    world.place(epoch)
    world.sign(epoch)
    world.build(epoch, without_masks)
    for name in world.names:
        assert readable(world, epoch, [name]) == len(world.identifiers)


def test_a_masked_table_less_its_pads_is_uniform(world: World, epoch: Epoch) -> None:
    residues = []
    for identifier in world.identifiers:
        residues.extend(opened(epoch, ["bank-00"], ["bank-00"], identifier) % MODULUS)
    fraction = np.sort(np.array(residues) / MODULUS)
    distance = np.abs(fraction - np.arange(1, len(fraction) + 1) / len(fraction)).max()
    assert distance < 1.95 / len(fraction) ** 0.5  # Kolmogorov-Smirnov, one in a thousand (the seed is fixed)


# ---- pads: one subject, one epoch (threat 30)


def plausible(found: NDArray[np.int64]) -> NDArray[np.bool_]:
    """What a record looks like: check 0, a count of members. Noise does so three times in a million million."""
    values = signed_values(found)
    return np.asarray((values[..., 0] == 0) & (values[..., 1] >= 0) & (values[..., 1] <= 3))


def test_a_ticket_for_one_subject_opens_no_other_record_and_no_combination(world: World, epoch: Epoch) -> None:
    ticket = sum(value.astype(np.int64) for value in epoch.opened_pads(world.identifiers[0]).values())
    table = epoch.sum_values().reshape(-1, 8).astype(np.int64)
    place = epoch.layout.find(epoch.point(world.identifiers[0]))
    assert place is not None
    at = place[0] * epoch.layout.slots + place[1]
    hits = plausible(table[: epoch.layout.subjects] - ticket)
    assert np.flatnonzero(hits).tolist() == [at]
    assert not plausible(table.sum(axis=0) - ticket)
    rest = np.delete(table[: epoch.layout.subjects], at, axis=0)
    assert not plausible(rest + table[at] - 2 * ticket).any()


def carried_over(first: Epoch, second: Epoch, world: World) -> int:
    """Subjects of the second epoch opened with tickets of the first alone, the relay helping with z of both."""
    ratio = second.z, invert(first.z)
    values, hits = second.sum_values(), 0
    for identifier in world.identifiers:
        tickets = {name: multiply(secrets.pad, first.point(identifier)) for name, secrets in first.secrets.items()}
        point = second.point(identifier)
        place = second.layout.find(point)
        assert place is not None
        found = values[place].astype(np.int64)
        for name, shared in tickets.items():
            found -= pad(second.context.epoch_id, name, point, multiply(ratio[0], multiply(ratio[1], shared)))
        hits += np.array_equal(signed_values(found), world.truth(identifier))
    return int(hits)


def test_pad_keys_kept_over_epochs_turn_a_ticket_into_a_subscription(world: World, epoch: Epoch) -> None:
    kept = {
        name: replace(EpochSecrets.generate(name, world.random), pad=secrets.pad)
        for name, secrets in epoch.secrets.items()
    }
    later = world.prepare(2, secrets=kept)
    world.place(later)
    world.sign(later, START + WEEK)
    world.build(later)
    assert carried_over(epoch, later, world) == len(world.identifiers)


def test_fresh_pad_keys_end_a_ticket_with_its_epoch(world: World, epoch: Epoch) -> None:
    assert carried_over(epoch, world.epoch(2), world) == 0


def test_one_fresh_pad_key_of_an_honest_member_is_enough(world: World, epoch: Epoch) -> None:
    drawn = {name: EpochSecrets.generate(name, world.random) for name in world.names}
    for name in world.names[1:]:
        drawn[name] = replace(drawn[name], pad=epoch.secrets[name].pad)
    later = world.prepare(2, secrets=drawn)
    world.place(later)
    world.sign(later, START + WEEK)
    world.build(later)
    assert carried_over(epoch, later, world) == 0


def test_secrets_of_an_epoch_refuse_the_next(world: World, epoch: Epoch) -> None:
    later = world.prepare(2, secrets=epoch.secrets)
    world.place(later)
    world.sign(later, START + WEEK)
    with pytest.raises(StageError, match="another epoch"):
        world.build(later)


# ---- a rebuilt epoch: two-time pad


def test_a_rebuilt_table_under_the_same_secrets_shows_what_changed(world: World) -> None:
    epoch = world.prepare()
    world.place(epoch)
    world.sign(epoch)
    world.build(epoch)
    before = epoch.table("bank-00").astype(np.int64)
    honest = world.records["bank-00"]
    identifier = next(iter(honest))
    world.records["bank-00"] = {**honest, identifier: honest[identifier] + np.array([9, 0, -4, 0, 0, 0])}
    try:
        with pytest.raises(StageError, match="another snapshot"):  # what protects
            world.build(epoch)
        epoch.secrets["bank-00"] = replace(epoch.secrets["bank-00"], bound=None)  # taken away
        world.build(epoch)
    finally:
        world.records["bank-00"] = honest
    difference = signed_values(epoch.table("bank-00").astype(np.int64) - before)
    place = epoch.layout.find(epoch.point(identifier))
    assert place is not None
    assert difference[place].tolist() == [0, 0, 9, 0, -4, 0, 0, 0]
    difference[place] = 0
    assert not difference.any()


# ---- the relay plants points whose pads are public (threat 41)


def plant(world: World) -> tuple[Epoch, list[bytes], list[bytes]]:
    """A layout with one point x G of the relay's for every customer of bank-00, and the scalars x."""
    customers = list(world.records["bank-00"])
    scalars = [random_scalar(world.random) for _ in customers]
    epoch = world.prepare(planted=tuple(base(scalar) for scalar in scalars))
    return epoch, customers, scalars


def test_planted_points_would_give_the_relay_every_record(world: World) -> None:
    epoch, customers, scalars = plant(world)
    world.place(epoch)
    lifted = b"".join(base(scalar) for scalar in scalars)
    epoch.places["bank-00"] = own_places(epoch.layout, lifted)  # the relay's word taken, no proof asked
    world.sign(epoch)
    world.build(epoch)
    world.audit(epoch)  # the sum is in order: no auditor sees it
    values, read = epoch.sum_values(), 0
    for identifier, scalar in zip(customers, scalars, strict=True):
        place = epoch.layout.find(base(scalar))
        assert place is not None
        found = values[place].astype(np.int64)
        for name, public in epoch.header.pads.items():  # x S_j = s_j (x G): no ticket, no secret
            found -= pad(epoch.context.epoch_id, name, base(scalar), multiply(scalar, public))
        read += signed_values(found).tolist() == own(world, "bank-00", identifier)
    assert read == len(customers)
    assert read > 20


def test_planted_points_are_refused(world: World) -> None:
    epoch, customers, scalars = plant(world)
    points = b"".join(world.pseudonyms["bank-00"][identifier] for identifier in customers)
    lifted = b"".join(base(scalar) for scalar in scalars)
    for proof in (bytes(64), Seeded(4)(64)):
        with pytest.raises(ProofError, match="relay, places of customers 0 to"):
            check_places(epoch.header, "bank-00", PlacesChunk(0, points, lifted, proof))


def test_one_planted_point_among_honest_ones_is_refused_even_with_its_own_key(world: World) -> None:
    """The relay proves what it can: a batch in which one pair is not under z."""
    from protocols.lookup import placement
    from protocols.oprf import dleq
    from protocols.oprf.group import BASE

    epoch, customers, scalars = plant(world)
    points = [world.pseudonyms["bank-00"][identifier] for identifier in customers]
    lifted = [base(scalars[0]), *(multiply(epoch.z, point) for point in points[1:])]
    context = placement._context(epoch.header, "bank-00")
    proof = dleq.prove(epoch.z, BASE, epoch.header.relay, points, lifted, world.random, context=context)
    with pytest.raises(ProofError, match="relay"):
        check_places(epoch.header, "bank-00", PlacesChunk(0, b"".join(points), b"".join(lifted), proof))


def test_a_relay_that_sends_a_record_to_another_place_would_move_it_there(world: World) -> None:
    """Two places swapped: a ticket for one person opens the other's record. Proofs stop it (`test_epoch_layout`)."""
    epoch = world.prepare()
    world.place(epoch)
    identifiers = list(world.records["bank-00"])
    positions = epoch.places["bank-00"].positions.copy()
    positions[[0, 1]] = positions[[1, 0]]
    epoch.places["bank-00"] = replace(epoch.places["bank-00"], positions=positions)
    world.sign(epoch)
    world.build(epoch)
    moved = np.array(own(world, "bank-00", identifiers[1])) - own(world, "bank-00", identifiers[0])
    assert np.array_equal(epoch.read(identifiers[0]) - world.truth(identifiers[0]), moved)
    assert moved.any()
