"""Checkpoints that are published and cosigned: never two histories, whatever is restored, replayed or handed in."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import KIND, body, url_of
from log_world import KEY, NOW, WITNESSES, Clock, Witness
from sqlalchemy.exc import DatabaseError

from federation.errors import LedgerError, Refused
from federation.runtime.database import open_engine, writing
from protocols.errors import MessageError, ProofError, SignatureError, StageError
from protocols.transparency import (
    Checkpoint,
    Entry,
    LogKey,
    Promise,
    Quorum,
    Tile,
    WitnessKey,
    attach,
    cosign,
    leaf_hash,
    open_checkpoint,
    read_bundle,
    split_note,
    verify_promise,
    write_bundle,
)
from server.log import LogStore

KNOWN = [key.public for key in WITNESSES]
QUORUM = Quorum.of(KNOWN, required=KNOWN[:1])


@pytest.fixture
def log(database_url: str) -> Iterator[LogStore]:
    store = LogStore.open(database_url, KEY, Clock())
    yield store
    store.close()


def grow(log: LogStore, count: int, name: object = "x") -> list[Promise]:
    return log.extend([Entry(KIND, body(name, number)) for number in range(count)])


def by(note: bytes, *keys: WitnessKey, at: float = NOW) -> bytes:
    return attach(note, [cosign(split_note(note)[0], key, at) for key in keys])


def test_a_checkpoint_is_published_once_and_the_newest_is_shown(log: LogStore) -> None:
    assert log.published() is None
    grow(log, 3)
    first = log.checkpoint()
    assert log.checkpoint() == log.published() == first
    grow(log, 1, "y")
    assert log.published() == first
    second = log.checkpoint()
    assert open_checkpoint(second, KEY.public).size == 4
    assert log.published() == second
    assert log.published(3) == first
    assert log.published(2) is None


def test_cosignatures_are_kept_and_come_with_the_checkpoint(log: LogStore) -> None:
    grow(log, 3)
    note = log.checkpoint()
    assert log.cosigned(QUORUM) is None
    assert log.cosign(by(note, WITNESSES[1]), KNOWN) == [KNOWN[1].name]
    assert log.cosign(by(note, WITNESSES[1], at=NOW + 9), KNOWN) == [KNOWN[1].name]  # the first one stays
    log.cosign(by(note, WITNESSES[2], WITNESSES[3]), KNOWN)
    assert log.cosigned(QUORUM) is None  # three of four, but not the one that must be there
    log.cosign(by(note, WITNESSES[0], at=NOW + 1), KNOWN)
    found = log.cosigned(QUORUM)
    assert found is not None
    assert QUORUM.check(found, KEY.public, NOW).times == {
        KNOWN[0].name: int(NOW) + 1,
        **{key.name: int(NOW) for key in KNOWN[1:]},
    }
    assert log.published() == found


def test_the_newest_and_the_first_that_a_quorum_cosigned(log: LogStore) -> None:
    sizes = []
    for number in range(4):
        grow(log, 2, number)
        note = log.checkpoint()
        sizes.append(open_checkpoint(note, KEY.public).size)
        log.cosign(by(note, *WITNESSES[: 3 if number in (1, 2) else 2]), KNOWN)
    size_of = lambda note: note and open_checkpoint(note, KEY.public).size  # noqa: E731
    assert sizes == [2, 4, 6, 8]
    assert size_of(log.cosigned(QUORUM)) == 6
    assert size_of(log.cosigned(QUORUM, first=True)) == 4
    assert size_of(log.cosigned(QUORUM, after=4, first=True)) == 6
    assert log.cosigned(QUORUM, after=6) is None


def test_tiles_and_bundles_are_of_what_is_published(log: LogStore) -> None:
    grow(log, 256)
    assert log.tile(Tile(0, 0)) is None  # there, but nobody was told of it yet
    log.checkpoint()
    grow(log, 44, "y")
    hashes, data = log.tile(Tile(0, 0)), log.tile(Tile(-1, 0))
    assert hashes is not None
    assert data is not None
    assert [leaf_hash(each) for each in data] == hashes
    assert read_bundle(write_bundle(data), 256) == [data for _, data in log.entries(0, 256).entries]
    top = log.tile(Tile(1, 0, 1))
    assert top == [open_checkpoint(log.published(256) or b"", KEY.public).root]
    for absent in (Tile(0, 1, 44), Tile(1, 0, 2), Tile(2, 0, 1), Tile(0, 2**50)):
        assert log.tile(absent) is None
    log.checkpoint()
    assert len(log.tile(Tile(0, 1, 44)) or []) == 44
    assert log.tile(Tile(0, 1, 45)) is None


@pytest.mark.parametrize("table", ["log_checkpoints", "log_cosignatures"])
@pytest.mark.parametrize("action", ["UPDATE {} SET size = 1", "DELETE FROM {}"])
def test_what_is_published_cannot_be_taken_back(log: LogStore, database_url: str, table: str, action: str) -> None:
    grow(log, 2)
    log.cosign(by(log.checkpoint(), WITNESSES[0]), KNOWN)
    engine = open_engine(database_url)
    with pytest.raises(DatabaseError, match="append-only"), writing(engine) as connection:
        connection.exec_driver_sql(action.format(table))
    engine.dispose()


def test_what_is_no_cosignature_of_this_log_is_not_stored(log: LogStore) -> None:
    grow(log, 3)
    note = log.checkpoint()
    text = split_note(note)[0]
    stranger = WitnessKey.from_seed(KNOWN[1].name, bytes([77]) * 32)
    forged = KNOWN[1].line(int(NOW).to_bytes(8, "big") + stranger.sign_at(text, int(NOW)))
    replayed = cosign(split_note(Checkpoint(KEY.name, 2, bytes(32)).note(KEY))[0], WITNESSES[1], NOW)
    other = LogKey.from_seed(KEY.name, bytes([7]) * 32)
    for bad, error in (
        (note, Refused),  # nobody's
        (by(note, stranger), Refused),  # a stranger under a witness's name
        (attach(note, [forged]), SignatureError),
        (attach(note, [replayed]), SignatureError),  # of another tree
        (by(note, WITNESSES[1], at=NOW + 301), Refused),  # of the future
        (by(note, WITNESSES[1], at=NOW - 301), Refused),  # before there was such a checkpoint
        (by(Checkpoint(KEY.name, 3, bytes(32)).note(other), WITNESSES[1]), SignatureError),  # another log's
        (b"no note", MessageError),
    ):
        with pytest.raises(error):
            log.cosign(bad, KNOWN)
    assert log.published() == note
    grow(log, 1, "more")  # none of it was the log's own, so none of it stops the log


def test_a_note_of_its_own_that_it_contradicts_stops_the_log_for_ever(log: LogStore, database_url: str) -> None:
    """A fork or a rollback that a witness has seen: handed in, it ends the log, also for whoever opens it later."""
    grow(log, 3)
    log.checkpoint()
    fork = Checkpoint(KEY.name, 3, bytes(32)).note(KEY)
    with pytest.raises(LedgerError, match="contradicts"):
        log.cosign(by(fork, WITNESSES[1]), KNOWN)
    for ask in (log.checkpoint, lambda: grow(log, 1, "y")):
        with pytest.raises(LedgerError, match="older than what it has signed"):
            ask()
    with pytest.raises(LedgerError, match="older than what it has signed"):
        LogStore.open(database_url, KEY, Clock())
    assert open_checkpoint(log.published() or b"", KEY.public).size == 3  # what it has can still be read


def test_a_database_that_lost_entries_but_kept_its_checkpoints_is_not_opened(tmp_path: Path) -> None:
    log = LogStore.open(url_of(tmp_path), KEY, Clock())
    grow(log, 5)
    log.checkpoint()
    log.close()
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("DROP TRIGGER log_entries_no_delete")
        connection.execute("DELETE FROM log_entries WHERE position = 4")
    with pytest.raises(LedgerError, match="got 4 entries"):
        LogStore.open(url_of(tmp_path), KEY, Clock())


class Backup:
    """A log of 5 entries with a checkpoint, backed up at 2; its witness has seen 5."""

    def __init__(self, folder: Path, *, anchored: bool) -> None:
        self.folder, self.anchor = folder, folder / "log.checkpoint" if anchored else None
        log = self.open()
        grow(log, 2)
        log.checkpoint()
        log.close()
        shutil.copy(folder / "log.db", folder / "backup")
        log = self.open()
        self.promise = grow(log, 3, "later")[-1]
        self.note = log.checkpoint()
        self.witness = Witness(WITNESSES[1])
        self.cosigned = self.witness.cosign(log, self.note)
        log.close()

    def open(self) -> LogStore:
        return LogStore.open(url_of(self.folder), KEY, Clock(), anchor=self.anchor)

    def restore(self) -> None:
        for name in ("log.db-wal", "log.db-shm"):
            (self.folder / name).unlink(missing_ok=True)
        shutil.copy(self.folder / "backup", self.folder / "log.db")


def test_a_restored_database_is_not_opened_beside_its_last_checkpoint(tmp_path: Path) -> None:
    backup = Backup(tmp_path, anchored=True)
    backup.open().close()
    backup.restore()
    with pytest.raises(LedgerError, match="2 entries that a checkpoint of 5"):
        backup.open()


@pytest.mark.parametrize("regrown", [0, 2, 3, 10])
def test_a_restored_log_forks_until_a_witness_hands_in_what_it_saw(tmp_path: Path, regrown: int) -> None:
    """Home and database restored together: the log cannot know. It breaks a promise, and the first witness stops it."""
    backup = Backup(tmp_path, anchored=False)
    backup.restore()
    log = backup.open()
    grow(log, regrown, "other history")
    forked = log.checkpoint()
    verify_promise(backup.promise, backup.promise.leaf_hash, KEY.public, NOW)
    with pytest.raises(Refused):  # the attack succeeds so far: the promised entry is gone
        log.inclusion(backup.promise.leaf_hash)
    # An honest witness refuses to follow, and hands in what it has.
    with pytest.raises((StageError, ProofError)):
        backup.witness.cosign(log, forked)
    with pytest.raises(LedgerError, match="contradicts"):
        log.cosign(backup.cosigned, KNOWN)
    with pytest.raises(LedgerError):
        grow(log, 1, "more")
    log.close()


def test_the_same_history_after_a_restore_is_no_fork(tmp_path: Path) -> None:
    backup = Backup(tmp_path, anchored=False)
    backup.restore()
    log = backup.open()
    assert grow(log, 3, "later")[-1] == backup.promise
    assert log.checkpoint() == backup.note
    assert log.cosign(backup.cosigned, KNOWN) == [KNOWN[1].name]
    log.close()
