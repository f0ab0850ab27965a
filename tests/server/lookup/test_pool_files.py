"""Tables on disk, added up and joined in parts: what comes out is the sum by its definition, whatever the parts."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import Refused
from federation.runtime.private_files import remove_folder
from protocols.errors import MessageError, SignatureError
from protocols.lookup.packing import pack
from protocols.lookup.parameters import MODULUS, RECORD_BYTES
from protocols.lookup.rows import sign_rows
from protocols.lookup.table import table_digest
from protocols.signing import SigningKey
from server.lookup import pool as pool_module
from server.lookup import pool_files, scan_worker
from server.lookup.pool import Pool
from server.lookup.pool_files import PoolFiles
from server.lookup.scan_worker import Plan

EPOCH = bytes(range(32))
NAMES = ("aurora", "borealis", "castor")
KEYS = {name: SigningKey.from_seed(bytes([number]) * 32) for number, name in enumerate(NAMES[:2])}


@dataclass(frozen=True)
class Stored:
    """Three members' tables, received and accepted."""

    files: PoolFiles
    context: Any
    tables: dict[str, np.ndarray]
    digests: dict[str, bytes]

    @property
    def total(self) -> np.ndarray:
        return (sum(table.astype(np.int64) for table in self.tables.values()) % MODULUS).astype(np.uint32)

    def plan(self) -> Plan:
        epoch = self.context.signed.epoch
        return Plan("bfv", EPOCH, self.files.rows_file, epoch.rows, epoch.slots, len(epoch.auditors))


def stored(folder: Path, rows: int, slots: int, seed: int = 1) -> Stored:
    """What these files need of a context is its names, shape and keys."""
    rng, files = np.random.default_rng(seed), PoolFiles(folder)
    members = {name: SimpleNamespace(key=key.public) for name, key in KEYS.items()}
    context = SimpleNamespace(
        epoch_id=EPOCH,
        institutions=NAMES,
        roster=SimpleNamespace(member=members.__getitem__),
        signed=SimpleNamespace(epoch=SimpleNamespace(rows=rows, slots=slots, auditors=tuple(KEYS))),
    )
    tables = {name: rng.integers(0, MODULUS, (rows, slots, 8), dtype=np.uint32) for name in NAMES}
    for name, table in tables.items():
        packed = pack(table)
        for offset in range(0, len(packed), pool_files.PART_BYTES):
            files.receive(name, offset, packed[offset : offset + pool_files.PART_BYTES], len(packed))
        files.accept(name)
    return Stored(files, context, tables, {name: table_digest(EPOCH, name, pack(t)) for name, t in tables.items()})


def signatures(total: np.ndarray) -> dict[str, np.ndarray]:
    return {name: sign_rows(key, EPOCH, total) for name, key in KEYS.items()}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that end within rows, so that every seam is there in tables of a few rows."""
    monkeypatch.setattr(pool_files, "_RECORDS_AT_ONCE", 5)
    monkeypatch.setattr(pool_files, "_ROWS_AT_ONCE", 2)
    monkeypatch.setattr(scan_worker, "_RECORDS_AT_ONCE", 7)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_what_is_served_is_the_sum_with_its_signatures(
    tmp_path_factory: pytest.TempPathFactory, rows: int, slots: int, seed: int
) -> None:
    world = stored(tmp_path_factory.mktemp("pool"), rows, slots, seed)
    world.files.add_up(world.context, world.digests)
    signed = signatures(world.total)
    for auditor, column in signed.items():
        world.files.check_signatures(world.context, auditor, column)
    world.files.join(world.context, signed)
    served = world.plan().read()
    assert np.array_equal(served.values, world.total)
    assert np.array_equal(served.signatures, np.hstack(list(signed.values())))
    assert np.array_equal(np.concatenate([part.values for part in world.plan().parts()]), world.total)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_that_is_not_the_logged_one_is_named_and_there_is_no_sum(tmp_path: Path, name: str) -> None:
    world = stored(tmp_path, 4, 3)
    file = world.files.table(name)
    changed = world.tables[name].copy()
    changed[-1, -1, -1] = (changed[-1, -1, -1] + 1) % MODULUS
    file.write_bytes(pack(changed))
    with pytest.raises(MessageError, match=f"table of {name}"):
        world.files.add_up(world.context, world.digests)
    assert not world.files.sum_file.exists()


def test_a_value_out_of_range_is_named_with_its_record_in_a_draft_and_in_a_sum(tmp_path: Path) -> None:
    world = stored(tmp_path, 4, 3)
    wrong = world.tables["castor"].copy()
    wrong.reshape(-1, 8)[7, 2] = MODULUS
    world.files.table("castor").unlink()
    world.files.receive("castor", 0, pack(wrong), wrong.size // 8 * RECORD_BYTES)
    with pytest.raises(MessageError, match="table of castor, record 7"):
        world.files.drafted("castor", EPOCH)
    world.files.accept("castor")
    with pytest.raises(MessageError, match="table of castor, record 7"):
        world.files.add_up(world.context, world.digests)


def test_a_draft_has_the_digest_that_its_member_logged(tmp_path: Path) -> None:
    world = stored(tmp_path, 4, 3)
    world.files.table("aurora").unlink()
    packed = pack(world.tables["aurora"])
    world.files.receive("aurora", 0, packed, len(packed))
    assert world.files.drafted("aurora", EPOCH) == world.digests["aurora"]
    assert world.files.drafted("aurora", bytes(32)) != world.digests["aurora"]


def test_a_file_that_ends_early_is_no_table_no_sum_and_no_rows(tmp_path: Path) -> None:
    world = stored(tmp_path, 4, 3)
    packed = pack(world.tables["borealis"])
    world.files.table("borealis").write_bytes(packed[:-RECORD_BYTES])
    with pytest.raises(MessageError, match="table of borealis"):
        world.files.add_up(world.context, world.digests)
    world.files.table("borealis").write_bytes(packed)
    world.files.add_up(world.context, world.digests)
    world.files.join(world.context, signatures(world.total))
    world.files.rows_file.write_bytes(world.files.rows_file.read_bytes()[:-1])
    with pytest.raises(MessageError, match="rows"):
        world.plan().read()
    world.files.sum_file.write_bytes(world.files.sum_file.read_bytes()[:-RECORD_BYTES])
    with pytest.raises(MessageError, match="sum"):
        world.files.join(world.context, signatures(world.total))


def test_a_signature_that_does_not_hold_is_named_by_auditor_and_row(tmp_path: Path) -> None:
    world = stored(tmp_path, 7, 2)
    with pytest.raises(Refused) as early:
        world.files.check_signatures(world.context, "aurora", np.zeros((7, 64), dtype=np.uint8))
    assert early.value.code == "too_early"
    world.files.add_up(world.context, world.digests)
    column = signatures(world.total)["borealis"].copy()
    column[5, 3] ^= 1
    with pytest.raises(SignatureError, match="row 5 by borealis"):
        world.files.check_signatures(world.context, "borealis", column)


def test_no_table_is_ever_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each table takes 2 MB packed and 3.2 unpacked; no step takes one megabyte."""
    monkeypatch.setattr(pool_files, "_RECORDS_AT_ONCE", 512)
    monkeypatch.setattr(scan_worker, "_RECORDS_AT_ONCE", 512)
    world = stored(tmp_path, 50, 2000)
    signed = signatures(world.total)
    tracemalloc.start()
    try:
        world.files.table("aurora").rename(world.files._draft("aurora"))
        world.files.drafted("aurora", EPOCH)
        world.files.accept("aurora")
        world.files.add_up(world.context, world.digests)
        world.files.check_signatures(world.context, "aurora", signed["aurora"])
        world.files.join(world.context, signed)
        assert sum(len(part.values) for part in world.plan().parts()) == 50
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_keys_that_come_late_do_not_make_an_erased_folder_anew(tmp_path: Path) -> None:
    world = stored(tmp_path / "pool", 2, 3)
    world.files.add_up(world.context, world.digests)
    world.files.join(world.context, signatures(world.total))
    world.files.keep_keys("aurora", b"keys", b"n" * 32)
    remove_folder(tmp_path / "pool")
    with pytest.raises(Refused, match="open epoch"):
        world.files.keep_keys("aurora", b"keys", b"n" * 32)
    assert not (tmp_path / "pool").exists()


def test_a_part_that_comes_again_is_held_until_the_epoch_closes_and_is_a_part_of_the_table(tmp_path: Path) -> None:
    world, nothing = stored(tmp_path, 2, 3), Any
    pool = Pool(nothing, nothing, nothing, nothing, KEYS["aurora"], float)
    size = 2 * 3 * RECORD_BYTES

    def put(offset: int, part: bytes, *, closing: bool = False) -> int:
        state = SimpleNamespace(closing=closing, has=lambda kind, party: True)
        return pool.put(SimpleNamespace(state=state), world.context, "aurora", offset, part)  # type: ignore[arg-type]

    assert put(0, bytes(10)) == put(size - 10, bytes(10)) == size
    for offset, part in ((size - 9, bytes(10)), (2**40, b"x"), (0, b""), (0, bytes(pool_files.PART_BYTES + 1))):
        with pytest.raises(Refused, match="of the table"):
            put(offset, part)
    with pytest.raises(Refused, match="closing") as late:
        put(0, bytes(10), closing=True)
    assert late.value.code == "closed"


class Record:
    """One record, which a reader called `late` reads and is then slow to go on."""

    def __init__(self) -> None:
        self.closing, self.read, self.go_on = False, threading.Event(), threading.Event()

    def current(self) -> Any:
        state = SimpleNamespace(
            opened=True, closing=self.closing, phase="", has=lambda kind: True, owed=lambda party: ()
        )
        if threading.current_thread().name == "late":
            self.read.set()
            self.go_on.wait(60)
        return SimpleNamespace(state=state, counter=1)


def test_a_late_reader_does_not_bring_back_an_epoch_that_the_pool_saw_closing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "context_of", lambda record: SimpleNamespace(epoch_id=EPOCH))
    monkeypatch.setattr(Pool, "_ensure_scanner", lambda self, record: None)
    record, nothing = Record(), Any
    pool = Pool(record, nothing, nothing, nothing, KEYS["aurora"], float)  # type: ignore[arg-type]
    late = threading.Thread(target=pool.current, args=(EPOCH,), name="late")
    late.start()
    record.read.wait(60)
    record.closing = True
    pool.tick()
    record.go_on.set()
    late.join(60)
    assert pool.current(EPOCH)[0].state.closing
