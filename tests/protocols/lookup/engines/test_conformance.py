"""One suite for every engine: what `protocols.lookup.engines.base` promises, on each implementation."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random as Deterministic

import numpy as np
import pytest
from engine_world import ENCRYPTED, EPOCH, MAKERS, flipped, random_bytes, random_rows

from protocols.errors import MessageError, StageError
from protocols.lookup.engines import Client, Engine, Geometry, Prepared
from protocols.lookup.rows import Rows

SHAPES = [(1, 1), (70, 2), (2100, 3)]  # subjects, quorum


@dataclass(frozen=True)
class Table:
    """One engine with a table of each shape, made once."""

    engine: Engine
    geometry: Geometry
    rows: Rows
    prepared: Prepared
    client: Client

    def ask(self, row: int) -> tuple[np.ndarray, bytes]:
        pending, query = self.client.query(row)
        [answer] = self.prepared.answer([query], self.client.keys)
        return pending.open(answer)


@pytest.fixture(scope="module", params=list(MAKERS))
def engine(request: pytest.FixtureRequest) -> Engine:
    return MAKERS[request.param]()


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: f"{shape[0]}x{shape[1]}")
def table(engine: Engine, request: pytest.FixtureRequest) -> Table:
    geometry = engine.geometry(*request.param)
    rows = random_rows(geometry)
    prepared = engine.prepare(rows, EPOCH)
    client = engine.client(geometry, EPOCH, prepared.hint, random_bytes(7))
    return Table(engine, geometry, rows, prepared, client)


@pytest.fixture(scope="module")
def small(engine: Engine) -> Table:
    geometry = engine.geometry(3_000, 2)
    rows = random_rows(geometry, seed=2)
    prepared = engine.prepare(rows, EPOCH)
    return Table(engine, geometry, rows, prepared, engine.client(geometry, EPOCH, prepared.hint, random_bytes(8)))


def test_a_geometry_holds_every_subject(engine: Engine) -> None:
    for subjects in (1, 2, 62, 1_000, 16_385, 1_000_064):
        for quorum in (1, 2, 5):
            geometry = engine.geometry(subjects, quorum)
            assert geometry.rows * geometry.slots >= subjects
            assert (geometry.rows - 1) * geometry.slots < subjects, "a row nobody needs"
            assert geometry.quorum == quorum
    with pytest.raises(MessageError):
        engine.geometry(0, 2)


def test_every_row_comes_back(table: Table) -> None:
    step = max(1, table.geometry.rows // 40)
    table.client.prepare(41)
    for row in sorted({*range(0, table.geometry.rows, step), table.geometry.rows - 1}):
        values, signatures = table.ask(row)
        assert values.dtype == np.uint32
        assert np.array_equal(values, table.rows.values[row])
        assert signatures == table.rows.signatures[row].tobytes()


def test_sizes_tell_nothing(table: Table) -> None:
    """A row of records, a row of zeros (nobody known), first or last: the same bytes go either way."""
    sizes = set()
    table.client.prepare(9)
    for row in {0, table.geometry.rows // 2, table.geometry.rows - 1}:
        for _ in range(3):
            _, query = table.client.query(row)
            [answer] = table.prepared.answer([query], table.client.keys)
            sizes.add((len(query), len(answer)))
    assert len(sizes) == 1


def test_a_batch_is_answered_in_order(small: Table) -> None:
    asked = [3, 0, small.geometry.rows - 1, 3] if small.geometry.rows > 3 else [0, small.geometry.rows - 1, 0]
    small.client.prepare(len(asked))
    pending, queries = zip(*[small.client.query(row) for row in asked], strict=True)
    answers = small.prepared.answer(queries, small.client.keys)
    for row, waiting, answer in zip(asked, pending, answers, strict=True):
        assert np.array_equal(waiting.open(answer)[0], small.rows.values[row])
    assert small.prepared.answer([], small.client.keys) == []


def test_an_auditor_recomputes_hint_and_answers(small: Table) -> None:
    again = small.engine.prepare(small.rows, EPOCH)
    assert again.hint == small.prepared.hint
    queries = [small.client.query(row)[1] for row in (0, small.geometry.rows - 1)]
    keys = small.client.keys
    assert again.answer(queries, keys) == small.prepared.answer(queries, keys)
    assert again.answer(queries[1:], keys) == small.prepared.answer(queries, keys)[1:], "a batch changed an answer"


def test_one_flipped_bit_shows(small: Table) -> None:
    """In the row asked for, a changed table gives a changed value; the signature over the row then fails."""
    row = small.geometry.rows - 1
    changed = small.engine.prepare(flipped(small.rows, row, 0, 7), EPOCH)
    _, query = small.client.query(row)
    keys = small.client.keys
    honest, forged = small.prepared.answer([query], keys), changed.answer([query], keys)
    assert (honest, small.prepared.hint) != (forged, changed.hint)
    client = small.engine.client(small.geometry, EPOCH, changed.hint, random_bytes(9))
    pending, query = client.query(row)
    values, _ = pending.open(changed.answer([query], client.keys)[0])
    assert not np.array_equal(values, small.rows.values[row])


def test_two_queries_for_one_row_differ(small: Table) -> None:
    if small.engine.name not in (*ENCRYPTED, "plaintext"):
        pytest.skip("nothing is sent")
    assert small.client.query(1 % small.geometry.rows)[1] != small.client.query(1 % small.geometry.rows)[1]


def test_an_answer_is_opened_once(small: Table) -> None:
    pending, query = small.client.query(0)
    [answer] = small.prepared.answer([query], small.client.keys)
    pending.open(answer)
    with pytest.raises(StageError):
        pending.open(answer)


def test_messages_of_another_size_are_refused(small: Table) -> None:
    pending, query = small.client.query(0)
    [answer] = small.prepared.answer([query], small.client.keys)
    for wrong in (query + b"\x00", query[:-1] if query else b"\x01", bytes(100 * len(query) + 7)):
        with pytest.raises(MessageError):
            small.prepared.answer([query, wrong], small.client.keys)
    for wrong in (answer + b"\x00", answer[:-1] if answer else b"\x01"):
        with pytest.raises(MessageError):
            pending.open(wrong)


def test_keys_belong_to_engines_that_have_some(small: Table) -> None:
    _, query = small.client.query(0)
    with pytest.raises(MessageError):
        small.prepared.answer([query], None if small.client.keys else b"some keys")


def test_arguments_of_another_epoch_or_geometry_are_refused(small: Table) -> None:
    for row in (-1, small.geometry.rows):
        with pytest.raises(MessageError, match="row"):
            small.client.query(row)
    with pytest.raises(MessageError):
        small.engine.client(small.geometry, EPOCH, small.prepared.hint + b"\x00", random_bytes(1))
    with pytest.raises(MessageError):
        small.engine.client(small.geometry, EPOCH[:-1], small.prepared.hint, random_bytes(1))
    with pytest.raises(MessageError):
        small.engine.prepare(small.rows, EPOCH + b"\x00")
    with pytest.raises(MessageError):
        small.engine.client(small.geometry, EPOCH, small.prepared.hint, random_bytes(1), b"some state")


def test_hostile_bytes_raise_a_message_error_or_are_harmless(small: Table) -> None:
    generator = Deterministic(3)
    _, query = small.client.query(0)
    keys = small.client.keys
    [answer] = small.prepared.answer([query], keys)
    victims = [_mutated(query, generator) for _ in range(50)] + [generator.randbytes(len(query)) for _ in range(100)]
    for victim in victims:
        try:
            [got] = small.prepared.answer([victim], keys)
        except MessageError:
            continue
        assert len(got) == len(answer)
    small.client.prepare(150)
    for _ in range(150):
        _open_hostile(small, generator, answer)


def _open_hostile(table: Table, generator: Deterministic, answer: bytes) -> None:
    pending, _ = table.client.query(0)
    try:
        values, signatures = pending.open(_mutated(answer, generator))
    except MessageError:
        return
    assert values.shape == (table.geometry.slots, 8)
    assert len(signatures) == table.geometry.signature_bytes


def _mutated(data: bytes, generator: Deterministic) -> bytes:
    if not data:
        return generator.randbytes(generator.randrange(3))
    changed = bytearray(data)
    for _ in range(generator.randrange(1, 4)):
        changed[generator.randrange(len(changed))] = generator.randrange(256)
    return bytes(changed)
