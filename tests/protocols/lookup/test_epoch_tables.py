"""Pads, masks, packing and tables, against independent computations; determinism, bounds, restarts."""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from world import Epoch, Seeded, World, signed_values

from protocols.errors import MessageError, StageError
from protocols.lookup.packing import pack, unpack
from protocols.lookup.pads import net_masks, pad, pads, pair_masks
from protocols.lookup.parameters import LIMIT, MODULUS
from protocols.lookup.placement import own_places
from protocols.lookup.table import MemberTable, Snapshot, SumTable, build_rows, table_digest
from protocols.oprf.group import IDENTITY, hash_to_group, multiply, random_scalar

EPOCH = bytes(range(32))


@pytest.fixture(scope="module")
def world() -> World:
    return World(subjects=30)


@pytest.fixture(scope="module")
def epoch(world: World) -> Epoch:
    return world.epoch()


# ---- packing


@given(st.lists(st.integers(0, MODULUS - 1), min_size=8, max_size=80))
def test_packing_is_twenty_bits_a_coefficient_little_endian(numbers: list[int]) -> None:
    records = np.array(numbers[: len(numbers) // 8 * 8], dtype=np.uint32).reshape(-1, 8)
    packed = pack(records)
    for record, number in zip(records.tolist(), range(0, len(packed), 20), strict=True):
        expected = sum(value << 20 * place for place, value in enumerate(record))
        assert int.from_bytes(packed[number : number + 20], "little") == expected
    assert np.array_equal(unpack(packed), records)


def test_what_is_no_packed_record_is_refused() -> None:
    with pytest.raises(MessageError, match="records: got 19 bytes"):
        unpack(bytes(19))
    too_large = np.zeros((3, 8), dtype=np.uint32)
    too_large[1, 7] = MODULUS
    with pytest.raises(MessageError, match="table of b, record 1"):
        unpack(pack(too_large), "table of b")
    too_large[1, 7] = 2**20
    with pytest.raises(MessageError, match="20 bits"):
        pack(too_large)


# ---- pads and masks


def test_a_pad_is_the_shake_of_its_context() -> None:
    point = hash_to_group(b"subject")
    secret = random_scalar(Seeded(2))
    shared = multiply(secret, point)
    data = b"fedscore/v1/lookup/pad\0" + EPOCH + b"\x04\x00bank" + point + shared
    stream = hashlib.shake_256(data).digest(64)
    expected = [int.from_bytes(stream[at : at + 8], "little") % MODULUS for at in range(0, 64, 8)]
    assert pad(EPOCH, "bank", point, shared).tolist() == expected
    assert pads(secret, EPOCH, "bank", point).tolist() == [expected]


def test_a_pad_changes_with_epoch_member_subject_and_key() -> None:
    points = [hash_to_group(bytes([number])) for number in range(3)]
    secrets = [random_scalar(Seeded(seed)) for seed in (3, 4)]
    seen = {
        pads(secret, epoch_id, name, point).tobytes()
        for secret in secrets
        for epoch_id in (EPOCH, bytes(32))
        for name in ("bank", "bank-")
        for point in points
    }
    assert len(seen) == 24


def test_pads_name_the_point_that_is_none() -> None:
    with pytest.raises(MessageError, match="point 1"):
        pads(random_scalar(Seeded(5)), EPOCH, "bank", hash_to_group(b"a") + IDENTITY)


def test_a_mask_is_aes_256_counter_mode_under_the_epochs_key() -> None:
    seed = bytes(range(32, 64))
    key = HKDFExpand(SHA256(), 32, b"fedscore/v1/lookup/mask\0" + EPOCH).derive(seed)
    cipher = Cipher(AES(key), ECB()).encryptor()
    slot = 2**33 + 5
    stream = b"".join(cipher.update((4 * slot + block).to_bytes(16, "big")) for block in range(4))
    expected = [int.from_bytes(stream[at : at + 8], "little") % MODULUS for at in range(0, 64, 8)]
    assert pair_masks(seed, EPOCH, slot, 1).tolist() == [expected]


@given(st.integers(0, 50), st.integers(1, 20))
def test_masks_can_be_had_from_any_slot(first: int, count: int) -> None:
    whole = pair_masks(bytes(32), EPOCH, 0, 70)
    assert np.array_equal(pair_masks(bytes(32), EPOCH, first, count), whole[first : first + count])


@given(st.integers(2, 9), st.integers(0, 2**40))
def test_masks_sum_to_zero_over_all_members_and_over_no_fewer(members: int, first: int) -> None:
    names = [f"bank-{number}" for number in range(members)]
    pair = {(low, high): f"{low}{high}".encode().ljust(32) for low in names for high in names if low < high}
    own = {
        name: net_masks(
            name, {peer: pair[min(name, peer), max(name, peer)] for peer in names if peer != name}, EPOCH, first, 4
        ).astype(np.int64)
        for name in names
    }
    assert not (sum(own.values()) % MODULUS).any()
    assert (sum(own[name] for name in names[1:]) % MODULUS).any()
    alone = pair_masks(pair[names[0], names[1]], EPOCH, first, 4)
    if members == 2:
        assert np.array_equal(own[names[0]], alone)
        assert np.array_equal(own[names[1]], (MODULUS - alone.astype(np.int64)) % MODULUS)


# ---- snapshots


def records(values: list[int], members: int = 3, positions: tuple[int, ...] = (4,)) -> Snapshot:
    rows = np.array([[0, 1, *values]] * len(positions), dtype=np.int32)
    return Snapshot(bytes(32), np.array(positions, dtype=np.int64), rows, members)


@pytest.mark.parametrize("members", [3, 8, 50])
def test_a_value_that_could_wrap_is_refused_without_being_shown(members: int) -> None:
    bound = LIMIT // members
    assert members * bound < MODULUS / 2 <= members * (bound + 1)
    for sign in (1, -1):
        records([0, 0, 0, 0, sign * bound, 0], members)
        with pytest.raises(MessageError, match=r"record 0, part 4: got another value") as caught:
            records([0, 0, 0, 0, sign * (bound + 1), 0], members)
        assert str(bound + 1) not in str(caught.value)
    with pytest.raises(MessageError, match="evidence"):
        records([-(2**31), 0, 0, 0, 0, 0], members)


def test_the_largest_sums_do_not_wrap() -> None:
    for members in (3, 8, 50):
        total = members * (LIMIT // members)
        assert signed_values(np.array([total, -total])).tolist() == [total, -total]


def test_a_snapshot_states_presence_and_nothing_twice() -> None:
    for column, where in ((0, "check"), (1, "count")):
        values = np.array([[0, 1, 0, 0, 0, 0, 0, 0]], dtype=np.int32)
        values[0, column] += 1
        with pytest.raises(MessageError, match=f"record 0, {where}"):
            Snapshot(bytes(32), np.array([3]), values, 3)
    for positions in ((4, 4), (5, 4), (-1, 4)):
        with pytest.raises(MessageError, match="places in another order"):
            records([0] * 6, positions=positions)


def test_a_member_without_customers_is_a_member(world: World, epoch: Epoch) -> None:
    places = own_places(epoch.layout, b"")
    snapshot = Snapshot.of(places, np.zeros((0, 8), dtype=np.int32), 3)
    assert snapshot.positions.shape == (0,)
    with pytest.raises(MessageError, match="records: got 1"):
        Snapshot.of(places, np.zeros((1, 8), dtype=np.int32), 3)


# ---- tables


def test_one_input_gives_one_table_in_any_chunks_and_after_any_restart(world: World, epoch: Epoch) -> None:
    secrets = type(epoch.secrets["bank-01"]).decode(epoch.secrets["bank-01"].encode())
    for rows in (1, 2, None):
        table = MemberTable.plan(secrets, epoch.context, epoch.layout, world.snapshot(epoch, "bank-01"))
        assert b"".join(build_rows(table.key, chunk) for chunk in table.chunks(rows)) == epoch.tables["bank-01"]
    resumed = b"".join(build_rows(table.key, chunk) for chunk in table.chunks(1, first_row=1))
    assert resumed == epoch.tables["bank-01"][epoch.layout.slots * 20 :]


def test_chunks_run_in_other_processes(world: World, epoch: Epoch) -> None:
    table = MemberTable.plan(epoch.secrets["bank-01"], epoch.context, epoch.layout, world.snapshot(epoch, "bank-01"))
    with ProcessPoolExecutor(1) as pool:
        packed = b"".join(pool.map(partial(build_rows, table.key), table.chunks(1)))
    assert packed == epoch.tables["bank-01"]
    assert table.key.pad.hex() not in repr(table)
    assert repr(table.key.pad) not in repr(table)


def test_the_sum_is_the_plaintext_oracles(world: World, epoch: Epoch) -> None:
    for identifier in [*world.identifiers, b"nobody"]:
        assert np.array_equal(epoch.read(identifier), world.truth(identifier))


def test_no_table_before_the_secrets_are_bound_to_this_very_input(world: World) -> None:
    epoch = world.prepare()
    world.place(epoch)
    world.sign(epoch)
    assert epoch.signed is not None
    secrets, snapshot = epoch.secrets["bank-00"], world.snapshot(epoch, "bank-00")
    with pytest.raises(StageError, match="binding of the secrets: got none"):
        MemberTable.plan(secrets, epoch.context, epoch.layout, snapshot)
    bound = secrets.bind(epoch.signed.epoch, snapshot.digest)
    MemberTable.plan(bound, epoch.context, epoch.layout, snapshot)
    values = snapshot.values.copy()
    values[0, 2] += 1
    changed = replace(snapshot, values=values)
    assert changed.digest != snapshot.digest
    with pytest.raises(StageError, match="binding of the secrets"):
        MemberTable.plan(bound, epoch.context, epoch.layout, changed)
    with pytest.raises(StageError, match="another snapshot"):
        bound.bind(epoch.signed.epoch, changed.digest)


def test_a_table_takes_no_places_of_another_layout_or_roster(world: World, epoch: Epoch) -> None:
    snapshot = world.snapshot(epoch, "bank-00")
    for other in (replace(snapshot, layout_digest=bytes(32)), replace(snapshot, members=2)):
        with pytest.raises(MessageError, match="snapshot"):
            MemberTable.plan(epoch.secrets["bank-00"], epoch.context, epoch.layout, other)


# ---- their sum


def empty_sum(world: World, epoch: Epoch) -> SumTable:
    assert epoch.signed is not None
    return SumTable(epoch.signed.epoch, world.roster.institutions)


def test_a_sum_waits_for_all_and_takes_each_once(world: World, epoch: Epoch) -> None:
    logged = world.digests(epoch)
    total = empty_sum(world, epoch)
    for name in reversed(world.names):
        with pytest.raises(StageError, match="no table of"):
            _ = total.values
        total.add(name, memoryview(epoch.tables[name]), logged[name])
    assert np.array_equal(total.values, epoch.sum_values())
    assert int(total.values.max()) < MODULUS
    for name in ("bank-00", "stranger"):
        with pytest.raises(StageError, match=f"table of {name}"):
            total.add(name, epoch.tables["bank-00"], logged["bank-00"])


def test_a_wrong_table_is_named_and_not_added(world: World, epoch: Epoch) -> None:
    logged = world.digests(epoch)
    packed = epoch.tables["bank-01"]
    flipped = bytes([packed[0] ^ 1]) + packed[1:]
    out_of_range = b"\xff" * 20 + packed[20:]
    total = empty_sum(world, epoch)
    for wrong, digest in (
        (packed[:-20], logged["bank-01"]),
        (packed + bytes(20), logged["bank-01"]),
        (flipped, logged["bank-01"]),
        (packed, logged["bank-00"]),
        (out_of_range, table_digest(epoch.context.epoch_id, "bank-01", out_of_range)),
    ):
        with pytest.raises(MessageError, match="table of bank-01"):
            total.add("bank-01", wrong, digest)
    for name in world.names:
        total.add(name, epoch.tables[name], logged[name])
    assert np.array_equal(total.values, epoch.sum_values())


@pytest.mark.parametrize("record", [0, 2, 3, 4, 20, 37])
def test_what_was_added_of_a_table_out_of_range_is_taken_back(
    world: World, epoch: Epoch, record: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocols.lookup.table._SUM_RECORDS", 3)
    packed = bytearray(epoch.tables["bank-01"])
    packed[20 * record : 20 * record + 20] = b"\xff" * 20
    wrong, logged = bytes(packed), world.digests(epoch)
    total = empty_sum(world, epoch)
    total.add("bank-00", epoch.tables["bank-00"], logged["bank-00"])
    with pytest.raises(MessageError, match=f"table of bank-01, record {record}:"):
        total.add("bank-01", wrong, table_digest(epoch.context.epoch_id, "bank-01", wrong))
    for name in ("bank-01", "bank-02"):
        total.add(name, epoch.tables[name], logged[name])
    assert np.array_equal(total.values, epoch.sum_values())


def test_a_tables_digest_serves_one_member_and_one_epoch(world: World, epoch: Epoch) -> None:
    packed = epoch.tables["bank-01"]
    digests = {table_digest(EPOCH, "a", packed), table_digest(EPOCH, "b", packed), table_digest(bytes(32), "a", packed)}
    assert len(digests) == 3
