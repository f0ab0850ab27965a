"""What auditors catch before an epoch opens, whom they can name, and what they cannot see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from world import Epoch, Seeded, World, without_masks

from protocols.errors import MessageError, ProofError, SignatureError, StageError
from protocols.lookup.audit import check_public_places, complete, hint_digest, sum_tables
from protocols.lookup.dummies import check_opening, dummy_points
from protocols.lookup.engines.mirror import MirrorEngine
from protocols.lookup.packing import pack
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows, sign_rows, verify_row
from protocols.lookup.table import SumTable, TableKey
from protocols.oprf.group import random_scalar
from protocols.signing import SigningKey


class SmallRows(MirrorEngine):
    """The mirror with few slots a row, so that small tables have many rows."""

    def geometry(self, subjects: int, quorum: int):  # type: ignore[no-untyped-def]
        return replace(super().geometry(subjects, quorum), rows=-(-subjects // 5), slots=5)


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=42, dummies=20, engine=SmallRows())


@pytest.fixture
def epoch(world: World) -> Epoch:
    epoch = world.prepare()
    world.place(epoch)
    world.sign(epoch)
    return epoch


@pytest.fixture(scope="module")
def opened(world: World) -> Epoch:
    return world.epoch()


def only(name: str, change: dict[str, object]):  # type: ignore[no-untyped-def]
    """What `world.build` applies to one member's key alone."""
    return lambda key: replace(key, **change) if key.institution == name else key


def test_an_honest_epoch_opens_and_its_empty_slots_are_zero(opened: Epoch) -> None:
    assert opened.opened is not None
    empty = opened.sum_values().reshape(-1, 8)[opened.layout.subjects :]
    assert len(empty) == 3
    assert not empty.any()


@pytest.mark.parametrize(
    "change",
    [
        {"pad": random_scalar(Seeded(9))},  # another pad key than the one published
        {"epoch_id": bytes(32)},  # another epoch
        {"seeds": {}},  # no masks
        {"seeds": {"bank-00": bytes(32), "bank-02": bytes(32)}},  # masks the others do not know
    ],
)
def test_a_table_made_with_other_secrets_never_opens(world: World, epoch: Epoch, change: dict[str, object]) -> None:
    world.build(epoch, only("bank-01", change))
    with pytest.raises(ProofError, match=r"^sum of the tables: got no zero at public places in \d+ rows"):
        world.audit(epoch)
    assert epoch.opened is None


def test_rows_in_another_order_or_shifted_never_open(world: World, epoch: Epoch) -> None:
    world.build(epoch)
    honest = epoch.tables["bank-01"]
    row = epoch.layout.slots * 20
    shifted = np.array(epoch.table("bank-01"), dtype=np.int64)
    shifted[..., 2] += 5000
    for wrong in (
        honest[row:] + honest[:row],
        honest[row : 2 * row] + honest[:row] + honest[2 * row :],
        pack((shifted % MODULUS).astype(np.uint32)),
    ):
        epoch.tables["bank-01"] = wrong
        with pytest.raises(ProofError, match="sum of the tables"):
            world.audit(epoch)
    epoch.tables["bank-01"] = honest
    world.audit(epoch)


def test_something_in_an_empty_slot_never_opens(world: World, epoch: Epoch) -> None:
    world.build(epoch)
    table = np.array(epoch.table("bank-01"), dtype=np.int64)
    table.reshape(-1, 8)[epoch.layout.subjects, 3] += 1
    epoch.tables["bank-01"] = pack((table % MODULUS).astype(np.uint32))
    with pytest.raises(ProofError, match=rf"in 1 rows \({epoch.layout.rows - 1}\)"):
        world.audit(epoch)


def test_what_can_be_attributed_is(world: World, epoch: Epoch) -> None:
    world.build(epoch)
    context, logged = epoch.context, world.digests(epoch)
    tables = dict(epoch.tables)
    with pytest.raises(MessageError, match="table of bank-02"):
        sum_tables(context, epoch.layout, {**tables, "bank-02": tables["bank-02"][:-20]}.items(), logged)
    with pytest.raises(MessageError, match=r"table of bank-00.*as logged"):
        sum_tables(context, epoch.layout, {**tables, "bank-00": tables["bank-01"]}.items(), logged)
    with pytest.raises(MessageError, match="table of bank-01: got no digest in the log"):
        sum_tables(context, epoch.layout, tables.items(), {"bank-00": logged["bank-00"]})
    with pytest.raises(MessageError, match=r"epoch\.layout_digest"):
        sum_tables(context, replace(epoch.layout, points=epoch.layout.points[::-1]), tables.items(), logged)
    with pytest.raises(StageError, match="no table of bank-02"):
        _ = sum_tables(context, epoch.layout, list(tables.items())[:2], logged).values


def test_a_dummy_pad_is_proved_or_its_member_named(world: World, epoch: Epoch) -> None:
    world.build(epoch)
    context = epoch.context
    total = sum_tables(context, epoch.layout, epoch.tables.items(), world.digests(epoch))
    honest = world.dummy_openings(epoch)
    check_public_places(context, total, epoch.layout, honest)
    first = honest["bank-01"]
    for wrong in (
        replace(first, shared=first.shared[32:64] + first.shared[:32] + first.shared[64:]),
        replace(first, shared=first.shared[32:]),
        replace(first, proof=honest["bank-00"].proof),
        replace(first, shared=honest["bank-00"].shared, proof=honest["bank-00"].proof),
    ):
        with pytest.raises(ProofError, match="dummy pads of bank-01"):
            check_public_places(context, total, epoch.layout, {**honest, "bank-01": wrong})
    del honest["bank-02"]
    with pytest.raises(ProofError, match="dummy pads of bank-02: got none"):
        check_public_places(context, total, epoch.layout, honest)


def test_a_dummy_opening_serves_one_epoch(world: World, epoch: Epoch) -> None:
    opening = world.dummy_openings(epoch)["bank-00"]
    points = dummy_points(epoch.header, world.parameters.dummies)
    assert epoch.signed is not None
    check_opening(opening, epoch.signed, points)
    later = replace(epoch.signed, epoch=replace(epoch.signed.epoch, closes_at=epoch.signed.epoch.closes_at + 1))
    with pytest.raises(ProofError, match="bank-00"):
        check_opening(opening, later, points)


def test_dummies_and_hints_are_those_of_one_epoch(epoch: Epoch) -> None:
    """Under the same relay key too: a place or a hint of an earlier epoch says nothing in this one."""
    later = replace(epoch.header, counter=epoch.header.counter + 1)
    assert not set(dummy_points(epoch.header, 8)) & set(dummy_points(later, 8))
    assert hint_digest(epoch.context.epoch_id, b"hint") != hint_digest(bytes(32), b"hint")


def test_a_layout_without_a_dummy_is_no_test_of_the_tables(world: World, epoch: Epoch) -> None:
    world.build(epoch)
    total = sum_tables(epoch.context, epoch.layout, epoch.tables.items(), world.digests(epoch))
    held = [epoch.layout.point(index) for index in range(epoch.layout.subjects)]
    missed = dummy_points(epoch.header, world.parameters.dummies)[3]
    layout = replace(epoch.layout, points=b"".join(point for point in held if point != missed))
    with pytest.raises(ProofError, match="relay, layout, dummy 3: got no place"):
        check_public_places(epoch.context, total, layout, world.dummy_openings(epoch))


def test_a_lie_away_from_the_dummies_is_not_seen(world: World, epoch: Epoch) -> None:
    """The declared residual: a member says about its own records, and at any place, what it likes."""
    world.build(epoch)
    identifier = world.identifiers[0]
    place = epoch.layout.find(epoch.point(identifier))
    assert place is not None
    table = np.array(epoch.table("bank-01"), dtype=np.int64)
    table[place][2] += 77
    epoch.tables["bank-01"] = pack((table % MODULUS).astype(np.uint32))
    world.audit(epoch)
    assert (epoch.read(identifier) - world.truth(identifier)).tolist() == [0, 0, 77, 0, 0, 0, 0, 0]


def test_without_any_masks_the_sum_is_right_all_the_same(world: World, epoch: Epoch) -> None:
    """Why masks need a test of their own (`test_epoch_attacks`): nothing that an auditor sees misses them."""
    world.build(epoch, without_masks)
    world.audit(epoch)


# ---- row signatures


def test_every_auditor_signs_the_very_rows_or_is_named(world: World, opened: Epoch) -> None:
    context = opened.context
    total: SumTable = sum_tables(context, opened.layout, opened.tables.items(), world.digests(opened))
    rows = {name: sign_rows(world.signers[name], context.epoch_id, total.values) for name in ("bank-00", "bank-01")}
    again = complete(context, total, rows, world.engine)
    assert opened.audited is not None
    assert again.opening == opened.audited.opening
    assert again.prepared.hint == opened.audited.prepared.hint
    wrong = rows["bank-01"].copy()
    wrong[3, 5] ^= 1
    with pytest.raises(SignatureError, match="row 3 by bank-01"):
        complete(context, total, {**rows, "bank-01": wrong}, world.engine)
    with pytest.raises(SignatureError, match="row 0 by bank-01"):
        complete(context, total, {**rows, "bank-01": rows["bank-00"]}, world.engine)
    with pytest.raises(SignatureError, match="row signatures of bank-01: got none"):
        complete(context, total, {"bank-00": rows["bank-00"]}, world.engine)


def test_a_row_is_believed_only_whole_in_its_place_and_epoch(world: World, opened: Epoch) -> None:
    assert opened.audited is not None
    rows, epoch_id = opened.audited.rows, opened.context.epoch_id
    keys = [world.signers[name].public for name in ("bank-00", "bank-01")]
    values, signatures = rows.values[4], rows.signatures[4].tobytes()
    verify_row(epoch_id, 4, values, signatures, keys)
    for bit in range(0, values.size * 20, 37):
        changed = values.copy()
        changed.reshape(-1)[bit // 20] ^= np.uint32(1 << bit % 20)
        with pytest.raises(SignatureError, match=r"^row:"):
            verify_row(epoch_id, 4, changed, signatures, keys)
    for byte in (0, 63, 64, 127):
        broken = bytes(value ^ (number == byte) for number, value in enumerate(signatures))
        with pytest.raises(SignatureError):
            verify_row(epoch_id, 4, values, broken, keys)
    outside = values.copy()
    outside[0, 0] = 2**31
    for arguments in (
        (epoch_id, 4, outside, signatures, keys),
        (epoch_id, 5, values, signatures, keys),
        (bytes(32), 4, values, signatures, keys),
        (epoch_id, 4, values, signatures[:64], keys),
        (epoch_id, 4, values, signatures, keys[::-1]),
        (epoch_id, 4, values, signatures, [keys[0], SigningKey.generate().public]),
        (epoch_id, 4, values, b"", []),
    ):
        with pytest.raises(SignatureError, match=r"^row:"):
            verify_row(*arguments)


def test_rows_of_another_shape_or_range_are_no_rows() -> None:
    values, signatures = np.zeros((2, 5, 8), dtype=np.uint32), np.zeros((2, 128), dtype=np.uint8)
    assert Rows(values, signatures).quorum == 2
    for wrong in (
        (values[0], signatures),
        (values.astype(np.int64), signatures),
        (values, signatures[:1]),
        (values, signatures[:, :100]),
        (values + np.uint32(MODULUS), signatures),
    ):
        with pytest.raises(MessageError, match="rows"):
            Rows(*wrong)


def test_a_key_never_shows_its_secrets(world: World, opened: Epoch) -> None:
    key = TableKey("bank-00", bytes(32), opened.secrets["bank-00"].pad, {"bank-01": b"s" * 32})
    assert "ssss" not in repr(key)
    assert repr(key.pad) not in repr(key)
