"""A relay that lies in the keys, the layout or the places of an epoch: the member that would be robbed does not sign.

Its signature is what stands between such a relay and every record; each lie is told with all else being true.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from told_epoch import VICTIM, Told
from world import START, WEEK, World

from clients.institution.lookup import joining, signing
from clients.institution.lookup.part import Part
from clients.institution.lookup.snapshot import Snapshot
from federation.errors import ConfigurationError
from protocols.errors import MessageError, ProofError, StageError
from protocols.lookup.cadence import PastEpoch
from protocols.lookup.layout import Layout
from protocols.lookup.secrets import EpochSecrets
from protocols.oprf.group import base, random_scalar
from protocols.signing import SigningKey


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=12)


@pytest.fixture
def told(world: World, tmp_path: Path) -> Told:
    return Told(world, tmp_path)


def test_what_is_true_is_signed_and_remembered(told: Told) -> None:
    told.sign()
    [past] = told.part.folders.past()
    assert (past.counter, past.opens_at, past.closes_at, past.tickets, past.erased) == (
        1,
        START,
        START + WEEK,
        0,
        False,
    )


def refused(told: Told, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        told.sign()
    assert not told.part.folders.past()


def test_the_keys_of_the_epoch_are_those_that_their_owners_published(told: Told) -> None:
    """With a pad key of its own under bank-01's name the relay would open bank-01's pads at every place."""
    pads = {**told.header.pads, "bank-01": base(random_scalar(os.urandom))}
    told.header = replace(told.header, pads=pads)
    refused(told, ConfigurationError, "keys of bank-01: got others in the layout, expected what it published")


def test_a_mask_key_is_its_owners(told: Told) -> None:
    masks = {**told.header.masks, "bank-02": EpochSecrets.generate("bank-02", os.urandom).mask_public}
    told.header = replace(told.header, masks=masks)
    refused(told, ConfigurationError, "keys of bank-02: got others in the layout")


def test_the_own_keys_are_those_this_institution_holds(told: Told) -> None:
    """Published by a process that lost them since: whoever has them would hold this institution's pads."""
    other = EpochSecrets.generate(VICTIM, os.urandom)
    told.published[VICTIM] = other
    pads, masks = {**told.header.pads, VICTIM: other.pad_public}, {**told.header.masks, VICTIM: other.mask_public}
    told.header = replace(told.header, pads=pads, masks=masks)
    refused(told, MessageError, "pad key of bank-00: got another, expected the one it published")


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"counter": 2}, ConfigurationError, r"layout\.counter: got 2, expected 1"),
        ({"pool": SigningKey.from_seed(bytes(32)).public}, ConfigurationError, r"layout\.pool: got another key"),
        ({"catalogue": b"c" * 32}, ConfigurationError, r"layout\.catalogue: got another, expected the proposed one"),
        ({"model": b"m" * 32}, ConfigurationError, r"layout\.model: got another, expected the proposed one"),
        ({"roster_id": bytes(32)}, MessageError, r"layout\.roster_id"),
    ],
)
def test_the_header_says_what_was_proposed(
    told: Told, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    told.header = replace(told.header, **change)
    refused(told, error, match)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"layout_id": bytes(32)}, MessageError, r"epoch\.layout_id"),
        ({"auditors": ("bank-00",)}, MessageError, r"epoch\.auditors"),
        ({"auditors": ("bank-00", "mallory")}, MessageError, "mallory"),
        ({"layout_digest": bytes(32)}, MessageError, r"epoch\.layout_digest"),
        ({"closes_at": START + 60}, StageError, r"epoch\.closes_at: got an epoch of 60 s"),
        ({"closes_at": START + 3 * WEEK}, MessageError, r"epoch\.closes_at"),
    ],
)
def test_the_epoch_is_of_this_header_and_this_roster(
    told: Told, change: dict[str, Any], error: type[Exception], match: str
) -> None:
    told.changed = lambda header: replace(header, **change)
    refused(told, error, match)


@pytest.mark.parametrize("twice", [True, False])
def test_a_subject_that_stands_twice_or_out_of_order_is_seen(told: Told, twice: bool) -> None:
    """Listed twice a subject has two records; out of order it is not found."""
    first, second = told.layout.point(0), told.layout.point(1)
    wrong = first + first if twice else second + first
    told.layout = Layout(told.header.id, wrong + told.layout.points[64:], told.layout.slots)
    refused(told, ProofError, f"relay, layout, points 0 to 1: got {'the same point' if twice else 'another order'}")


def test_a_layout_without_the_public_dummies_is_tested_by_nobody(told: Told) -> None:
    told.layout = told.arranged(dummies=False)
    refused(told, ProofError, "relay, layout, dummy 0: got no place")


def chosen(told: Told) -> None:
    """The victim's first customer stands where the relay knows the logarithm, and every pad is x S_j."""
    planted = base(random_scalar(os.urandom))
    told.layout = told.arranged(without=told.blob[:32], planted=planted)
    told.blob = planted + told.blob[32:]


def test_a_place_that_the_relay_chose_is_not_signed(told: Told) -> None:
    chosen(told)
    refused(told, ProofError, "relay, places of customers 0 to")


def test_without_the_proof_a_place_that_the_relay_chose_would_be(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "check_places", lambda header, institution, chunk: None)
    chosen(told)
    assert told.sign()


def test_a_customer_without_a_place_is_missed(told: Told) -> None:
    told.layout = told.arranged(without=told.blob[:32])
    refused(told, ProofError, "relay, place of customer 0: got none")


def test_every_customer_has_its_place_and_every_chunk_its_proof(told: Told) -> None:
    told.blob = told.blob[32:]
    refused(told, MessageError, "places: got .* bytes, expected one point for each customer, and the proofs")


def past(**changed: Any) -> PastEpoch:
    return replace(PastEpoch(0, bytes(32), START - WEEK, START, tickets=5, erased=True), **changed)


@pytest.mark.parametrize(
    ("before", "match"),
    [
        (past(counter=1), r"layout\.counter: got 1, expected more than 1"),
        (past(erased=False), "epoch 0: got secrets not erased"),
        (past(opens_at=START - 60), "epoch 0: got an epoch that opens at"),
    ],
)
def test_an_epoch_out_of_turn_is_not_signed(told: Told, before: PastEpoch, match: str) -> None:
    """Two sums a minute apart, with one member less, show that member's records."""
    told.part.folders.remember(before)
    with pytest.raises(StageError, match=match):
        told.sign()
    assert tuple(told.part.folders.past()) == (before,)


@pytest.mark.parametrize("step", [joining.commit, joining.enrolled, joining.secrets])
def test_nothing_is_said_in_an_epoch_that_was_here_before(told: Told, step: Callable[[Part], Any]) -> None:
    """A relay that lost its record, or says so: fresh keys under an old number would be published twice."""
    told.part.record.counter = 1
    told.part.folders.remember(past(counter=1))
    with pytest.raises(ConfigurationError, match="epoch: got number 1 again, expected a new one"):
        step(told.part)


def test_nobody_enrols_more_people_than_it_attested(told: Told) -> None:
    told.part.record.counter = 1
    most = told.world.roster.member(VICTIM).customers
    names = tuple(str(number).encode() for number in range(most + 1))
    told.part.read_snapshot = lambda part: Snapshot(names, np.zeros(most + 1), np.zeros((most + 1, 5)))
    with pytest.raises(ConfigurationError, match=f"customers: got {most + 1}, expected at most the attested {most}"):
        joining.enrolled(told.part)
