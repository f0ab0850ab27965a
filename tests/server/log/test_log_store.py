"""The log as it is asked: appends, promises, proofs, pages; and a database somebody tampered with."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import KEY, KIND, NOW, body, open_log, url_of
from sqlalchemy.exc import DatabaseError

from federation.errors import LedgerError, Refused
from federation.runtime.database import open_engine, writing
from protocols.canonical import canonical
from protocols.envelope import seal
from protocols.errors import EncodingError, MessageError
from protocols.lookup.bound import ENROL_KIND, ENROL_POINTS, MAX_STEP_BYTES, enrol_body
from protocols.signing import SigningKey
from protocols.transparency import (
    MAX_ENTRY_BYTES,
    Entry,
    Tile,
    entry_hash,
    leaf_hash,
    open_checkpoint,
    root,
    verify_consistency,
    verify_inclusion,
    verify_promise,
    write_bundle,
)
from protocols.wire import lookup_pb2 as lookup_wire
from server.log import LogStore
from server.log.tree import _nodes_of
from server.lookup.relay import LOG_KIND, log_body, own_step


@pytest.fixture
def log(database_url: str) -> Iterator[LogStore]:
    store = open_log(database_url)
    yield store
    store.close()


def fill(log: LogStore, count: int) -> list[bytes]:
    """The leaf hashes."""
    log.extend([Entry(KIND, body(number)) for number in range(count)])
    return [entry_hash(KIND, body(number)) for number in range(count)]


def test_an_empty_log_has_a_checkpoint(log: LogStore) -> None:
    assert open_checkpoint(log.checkpoint(), KEY.public).size == 0
    assert log.verify() == 0


def test_an_append_is_promised_and_included(log: LogStore) -> None:
    fill(log, 4)
    promise = log.append("other", body("x"))
    leaf = entry_hash("other", body("x"))
    verify_promise(promise, leaf, KEY.public, NOW)
    assert (promise.index, promise.issued_at) == (4, int(NOW))
    checkpoint = open_checkpoint(log.checkpoint(), KEY.public)
    inclusion = log.inclusion(leaf)
    assert (inclusion.index, inclusion.size) == (4, checkpoint.size)
    verify_inclusion(inclusion.path, leaf, inclusion.index, checkpoint.size, checkpoint.root)


def test_the_same_entry_has_one_promise(log: LogStore) -> None:
    one = log.append(KIND, body("x"))
    fill(log, 3)
    assert log.append(KIND, body("x")) == one
    again, new, twice = log.extend([Entry(KIND, body("x")), Entry(KIND, body("y")), Entry(KIND, body("y"))])
    assert (again, new, twice.index) == (one, twice, 4)
    assert log.size() == 5
    assert log.append("another-kind", body("x")).index == 5


def test_every_proof_of_every_size(log: LogStore) -> None:
    leaves = fill(log, 11)
    roots = [root(leaves[:size]) for size in range(12)]
    assert open_checkpoint(log.checkpoint(), KEY.public).root == roots[11]
    for size in range(1, 12):
        for index in range(size):
            inclusion = log.inclusion(leaves[index], size)
            verify_inclusion(inclusion.path, leaves[index], index, size, roots[size])
        for old in range(size + 1):
            verify_consistency(log.consistency(old, size), old, size, roots[old], roots[size])


def test_a_proof_reads_its_nodes_and_no_others(tmp_path: Path) -> None:
    """SQLite's own plan: each node is looked up by the primary key, whatever the size of the log."""
    log = open_log(url_of(tmp_path))
    fill(log, 40)
    log.close()
    engine = open_engine(url_of(tmp_path))
    statement = _nodes_of(1, 2, 3).params(on_level_1=[0, 5], on_level_2=[1], on_level_3=[0])
    text = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
        assert len(connection.exec_driver_sql(text).all()) == 4
    engine.dispose()
    assert any("SEARCH log_nodes USING" in step for step in plan)
    assert not any(step.startswith("SCAN") for step in plan)


def test_what_is_not_there(log: LogStore) -> None:
    leaves = fill(log, 3)
    for ask in (
        lambda: log.inclusion(leaf_hash(b"never")),
        lambda: log.inclusion(leaves[2], 2),
        lambda: log.inclusion(leaves[0], 4),
        lambda: log.consistency(3, 2),
        lambda: log.consistency(0, 4),
        lambda: log.consistency(-1),
    ):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.code == "unknown"


def test_what_is_no_entry_never_reaches_the_database(log: LogStore) -> None:
    for kind, data, error in (
        ("Not A Kind", b"{}", MessageError),
        (KIND, b'{"b": 1}', EncodingError),
        (KIND, b"{", EncodingError),
    ):
        with pytest.raises(error):
            log.append(kind, data)
    assert log.size() == 0


def test_pages_of_all_and_of_one_kind(log: LogStore) -> None:
    fill(log, 5)
    log.append("other", body("x"))
    fill_again = log.extend([Entry(KIND, body("late"))])
    first = log.entries(0, 4)
    assert [index for index, _ in first.entries] == [0, 1, 2, 3]
    assert first.next == 4
    rest = log.entries(first.next, 100)
    assert [index for index, _ in rest.entries] == [4, 5, 6]
    assert rest.next == 7 == fill_again[0].index + 1
    others = log.entries(0, 100, "other")
    assert others.entries == [(5, Entry("other", body("x")).data)]
    assert others.next == 7
    assert log.entries(0, 1, KIND).next == 1
    assert log.entries(7, 10).entries == []


def test_a_log_goes_on_where_it_stopped(database_url: str) -> None:
    log = open_log(database_url)
    leaves = fill(log, 5)
    old = open_checkpoint(log.checkpoint(), KEY.public)
    log.close()
    log = open_log(database_url)
    assert log.append(KIND, body("next")).index == 5
    new = open_checkpoint(log.checkpoint(), KEY.public)
    verify_consistency(log.consistency(old.size), old.size, new.size, old.root, new.root)
    assert old.root == root(leaves)
    assert log.verify() == 6
    log.close()


def test_appends_that_arrive_together_are_committed_together(log: LogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    held, go = threading.Event(), threading.Event()
    appender = log._appender
    write = appender._write

    def slow(batch: list[Entry]) -> object:
        batches.append(len(batch))
        held.set()
        assert go.wait(10)
        return write(batch)

    monkeypatch.setattr(appender, "_write", slow)
    promises: list[int] = []
    threads = [threading.Thread(target=lambda n=n: promises.append(log.append(KIND, body(n)).index)) for n in range(9)]
    threads[0].start()
    assert held.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(appender._queue) < 8:
        pass
    go.set()
    for thread in threads:
        thread.join(10)
    assert batches == [1, 8]
    assert sorted(promises) == list(range(9))
    assert log.verify() == 9


def test_a_failed_commit_fails_every_append_in_it_and_no_other(log: LogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(log._appender, "_write", lambda batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            log.append(KIND, body("lost"))
    assert log.append(KIND, body("kept")).index == 0


@pytest.mark.parametrize("table", ["log_entries", "log_nodes"])
@pytest.mark.parametrize("action", ["UPDATE {} SET hash = hash", "DELETE FROM {}"])
def test_the_database_itself_refuses_changes(log: LogStore, database_url: str, table: str, action: str) -> None:
    fill(log, 4)
    engine = open_engine(database_url)
    with pytest.raises(DatabaseError, match="append-only"), writing(engine) as connection:
        connection.exec_driver_sql(action.format(table))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE log_entries SET data = x'7b7d' WHERE position = 2", "log entry 2"),
        ("UPDATE log_entries SET kind = 'other' WHERE position = 1", "log entry 1"),
        ("DELETE FROM log_entries WHERE position = 3", "log entry 4"),
        ("UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 1 AND position = 1", "log node"),
        ("DELETE FROM log_nodes WHERE level = 2", "log node"),
        ("INSERT INTO log_nodes VALUES (7, 0, zeroblob(32))", "log nodes"),
    ],
)
def test_whoever_drops_the_triggers_is_found_out(tmp_path: Path, statement: str, where: str) -> None:
    log = open_log(url_of(tmp_path))
    fill(log, 6)
    assert log.verify() == 6
    engine = open_engine(url_of(tmp_path))
    with writing(engine) as connection:
        for table in ("log_entries", "log_nodes"):
            for action in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{action}")
        connection.exec_driver_sql(statement)
    engine.dispose()
    with pytest.raises(LedgerError, match=where):
        log.verify()
    log.close()


def test_an_entry_that_no_bundle_carries_is_refused_with_all_of_its_batch(tmp_path: Path) -> None:
    """Without the limit the log takes it, and its tiles can be read no more by tools for C2SP logs."""
    log = open_log(url_of(tmp_path))
    room = MAX_ENTRY_BYTES - len(Entry(KIND, b'""').data)
    longest, longer = (Entry(KIND, canonical("x" * size)) for size in (room, room + 1))
    assert len(longest.data) == 65_535
    with pytest.raises(Refused, match="65536 bytes") as refused:
        log.extend([Entry(KIND, body("beside it")), longer])
    assert (refused.value.code, log.size()) == ("too_large", 0)
    log.extend([longest])
    log.checkpoint()
    assert write_bundle(log.tile(Tile(-1, 0, 1)) or [])[:2] == b"\xff\xff"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server.log.admission.MAX_ENTRY_BYTES", 2**20)
        log.extend([longer])
    log.checkpoint()
    with pytest.raises(MessageError, match="65535"):
        write_bundle(log.tile(Tile(-1, 0, 2)) or [])
    log.close()


def test_the_largest_enrolment_and_the_largest_step_are_entries(tmp_path: Path) -> None:
    """They are logged whole, in hexadecimal: relay and members take no larger ones."""
    log, key = open_log(url_of(tmp_path)), SigningKey.generate()

    def enrolment(points: int) -> bytes:
        batch = lookup_wire.EnrolBatch(roster_id=bytes(32), counter=2**53 - 1, points=bytes(32 * points))
        return enrol_body("b" * 64, points, seal(batch, key))

    def step(size: int) -> bytes:
        return log_body(2**53 - 1, own_step(key, 2**53 - 1, "k" * 32, bytes(size), party="b" * 64))

    log.append(ENROL_KIND, enrolment(ENROL_POINTS))
    log.append(LOG_KIND, step(MAX_STEP_BYTES))
    for kind, beyond in ((ENROL_KIND, enrolment(ENROL_POINTS + 50)), (LOG_KIND, step(MAX_STEP_BYTES + 1024))):
        with pytest.raises(Refused, match=kind):
            log.append(kind, beyond)
    log.close()
