"""What only the mirror promises: nothing is sent, the table is the hint. And which engines a manifest can name."""

from __future__ import annotations

import pytest
from engine_world import EPOCH, random_bytes, random_rows

from protocols.errors import MessageError
from protocols.lookup.engines import Geometry, engine
from protocols.lookup.packing import pack

GEOMETRY = Geometry(rows=5, slots=3, quorum=2)


def test_the_hint_is_the_packed_table() -> None:
    rows = random_rows(GEOMETRY)
    hint = engine("mirror").prepare(rows, EPOCH).hint
    assert hint == b"".join(pack(rows.values[row]) + rows.signatures[row].tobytes() for row in range(5))


def test_queries_say_nothing_and_answers_need_no_pool() -> None:
    rows = random_rows(GEOMETRY)
    mirror = engine("mirror")
    client = mirror.client(GEOMETRY, EPOCH, mirror.prepare(rows, EPOCH).hint, random_bytes(1))
    for row in range(GEOMETRY.rows):
        pending, query = client.query(row)
        assert query == b""
        values, signatures = pending.open(b"")
        assert (values == rows.values[row]).all()
        assert signatures == rows.signatures[row].tobytes()


def test_a_million_subjects_are_twenty_two_megabytes() -> None:
    geometry = engine("mirror").geometry(1_000_064, quorum=2)
    assert geometry.rows * (20 * geometry.slots + geometry.signature_bytes) == 22_001_408


@pytest.mark.parametrize("name", ["plaintext", "", "LWE", "../lwe"])
def test_no_other_engine_can_be_named(name: str) -> None:
    with pytest.raises(MessageError, match="bfv or lwe or mirror"):
        engine(name)


def test_lwe_cannot_be_had_without_what_protects_its_secrets() -> None:
    with pytest.raises(TypeError, match="process_id"):
        engine("lwe")


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (2**31 + 1, 1, 1), (1, 2**20 + 1, 1), (1, 1, 65)])
def test_a_geometry_is_checked(shape: tuple[int, int, int]) -> None:
    with pytest.raises(MessageError, match="geometry"):
        Geometry(*shape)
