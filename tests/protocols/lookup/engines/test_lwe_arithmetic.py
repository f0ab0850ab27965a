"""The fast paths of the plain-LWE engine against their definition, computed slowly and independently here."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from engine_world import EPOCH, random_bytes, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from protocols.errors import MessageError
from protocols.lookup.engines import Geometry
from protocols.lookup.engines.lwe import LweEngine, encoding, matrix, noise, parameters, server
from protocols.lookup.engines.lwe.parameters import FINE, WIDE
from protocols.lookup.engines.lwe.product import blas_product
from protocols.lookup.packing import pack
from protocols.lookup.rows import Rows
from protocols.signing import SigningKey

ENGINE = LweEngine(product=blas_product, process_id=os.getpid)


def columns_of(rows: Rows) -> np.ndarray:
    """int64[height, columns]: the table by its definition, byte by byte."""
    lines = [
        pack(values) + signatures.tobytes() for values, signatures in zip(rows.values, rows.signatures, strict=True)
    ]
    table = np.array([list(line) for line in lines], dtype=np.uint8).T
    centres = np.full((len(table), 1), 128, dtype=np.uint8)
    for last in range(len(table) - 1, 20 * rows.values.shape[1], -64):
        centres[last] = 8
    return (table ^ centres).view(np.int8).astype(np.int64)


def matrix_of(epoch_id: bytes, columns: int) -> np.ndarray:
    """int64[columns, 1280]: A by its definition."""
    total = np.zeros((columns, 1280), dtype=np.int64)
    for plane in range(4):
        key = hashlib.sha256(b"fedscore/v1/lwe/matrix\x00" + epoch_id + bytes([plane])).digest()
        stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(columns * 1280))
        total += np.frombuffer(stream, dtype=np.int8).reshape(columns, 1280).astype(np.int64) << (8 * plane)
    return total % 2**32


def upper(numbers: np.ndarray) -> np.ndarray:
    return ((numbers + 2**15) >> 16) % 2**16


@given(arrays.arrays(np.uint32, (5,)), st.sampled_from([3, 4]))
def test_digits_add_up(numbers: np.ndarray, count: int) -> None:
    planes = encoding.digits(numbers, count).astype(np.int64)
    total = sum(plane << (8 * i) for i, plane in enumerate(planes))
    assert ((total - numbers) % 2 ** (8 * count) == 0).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 3))
def test_hint_answers_and_rows_follow_the_definition(count: int, slots: int, quorum: int) -> None:
    geometry = Geometry(count, slots, quorum)
    rows = random_rows(geometry, seed=count)
    prepared = ENGINE.prepare(rows, EPOCH)
    table = columns_of(rows)
    hint = upper(table @ matrix_of(EPOCH, count) % 2**32)
    assert prepared.hint == hint.astype("<u2").tobytes()

    pending, query = ENGINE.client(geometry, EPOCH, prepared.hint, random_bytes(count)).query(count - 1)
    planes = np.frombuffer(query, dtype=np.int8).reshape(3, count).astype(np.int64)
    asked = sum(plane << (8 * i + 8) for i, plane in enumerate(planes))
    [answer] = prepared.answer([query], None)
    assert answer == upper(table @ asked % 2**32).astype("<u2").tobytes()
    values, signatures = pending.open(answer)
    assert np.array_equal(values, rows.values[-1])
    assert signatures == rows.signatures[-1].tobytes()


def test_the_matrix_is_one_stream_whatever_the_blocks() -> None:
    columns = 2 * 2048 + 3
    public = matrix.PublicMatrix(EPOCH, columns)
    blocks = list(public.blocks())
    assert [lines for lines, _ in blocks] == [slice(0, 2048), slice(2048, 4096), slice(4096, 4099)]
    made = np.concatenate([encoding.weighted(planes.astype(np.int32)) for _, planes in blocks])
    assert np.array_equal(made, matrix_of(EPOCH, columns))
    first, second = list(public.blocks(keep=True)), list(public.blocks())
    assert all(one[1] is other[1] for one, other in zip(first, second, strict=True)), "the kept matrix was made again"


def test_an_epoch_has_its_own_matrix() -> None:
    """Neither the pool nor an earlier epoch chooses it; an answer of one epoch is noise to another's client."""
    geometry, other = Geometry(6, 2, 1), bytes(32)
    rows = random_rows(geometry)
    prepared = ENGINE.prepare(rows, EPOCH)
    assert prepared.hint != ENGINE.prepare(rows, other).hint
    pending, query = ENGINE.client(geometry, other, prepared.hint, random_bytes(1)).query(2)
    try:
        _, signatures = pending.open(prepared.answer([query], None)[0])
    except MessageError:
        return  # noise that is not even a record
    assert signatures != rows.signatures[2].tobytes()


def test_long_rows_are_multiplied_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products longer than a kernel may add up, and more queries than a batch, give the same answers."""
    geometry = Geometry(50, 3, 1)
    rows = random_rows(geometry)
    whole = ENGINE.prepare(rows, EPOCH)
    _, query = ENGINE.client(geometry, EPOCH, whole.hint, random_bytes(2)).query(7)
    expected = whole.answer([query] * 3, None)
    monkeypatch.setattr(server, "MAX_INNER", 16)
    monkeypatch.setattr(server, "BATCH", 2)
    assert whole.answer([query] * 3, None) == expected


def test_a_wide_table_has_queries_of_all_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "FINE", replace(FINE, max_columns=200))
    geometry = Geometry(201, 1, 1)
    rows = random_rows(geometry)
    prepared = ENGINE.prepare(rows, EPOCH)
    pending, query = ENGINE.client(geometry, EPOCH, prepared.hint, random_bytes(3)).query(99)
    assert len(query) == 4 * geometry.rows
    values, signatures = pending.open(prepared.answer([query], None)[0])
    assert np.array_equal(values, rows.values[99])
    assert signatures == rows.signatures[99].tobytes()


def test_a_table_of_real_signatures_opens_at_the_most_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last byte of an Ed25519 signature is small: centred like the others it would be most of the noise."""
    key, geometry = SigningKey.from_seed(bytes(32)), Geometry(FINE.max_columns, 1, 2)
    signed = np.frombuffer(b"".join(key.sign("fedscore/v1/test", n.to_bytes(2)) for n in range(4096)), dtype=np.uint8)
    signatures = np.resize(signed.reshape(-1, 64), (geometry.rows, 64))
    rows = replace(random_rows(geometry), signatures=np.hstack([signatures, signatures[::-1]]))
    shape = parameters.LweShape(geometry)
    noise.check_table(FINE, encoding.table_of(rows, shape))
    monkeypatch.setattr(encoding, "_CENTRE_OF_LAST", np.uint8(0x80))
    with pytest.raises(MessageError, match="failures"):
        noise.check_table(FINE, encoding.table_of(rows, shape))


@pytest.mark.parametrize("chosen", [FINE, WIDE], ids=["fine", "wide"])
def test_the_error_of_answers_is_what_the_formula_says(
    chosen: parameters.LweParameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured on 40 answers of 264 bytes; both terms of the formula matter at this size."""
    monkeypatch.setattr(parameters.LweShape, "parameters", chosen)
    geometry = Geometry(4_000, 10, 1)
    rows = random_rows(geometry)
    prepared = ENGINE.prepare(rows, EPOCH)
    querier = ENGINE.client(geometry, EPOCH, prepared.hint, random_bytes(4))
    querier.prepare(40)
    pending, queries = zip(*[querier.query(row) for row in range(40)], strict=True)
    table, errors = columns_of(rows), []
    for row, (waiting, answer) in enumerate(zip(pending, prepared.answer(queries, None), strict=True)):
        mask = waiting._hint @ waiting._vector.astype(np.uint16)
        noisy = (np.frombuffer(answer, dtype="<u2") - mask).astype(np.int64) - 256 * table[:, row]
        errors.append((noisy + 2**15) % 2**16 - 2**15)
    measured = np.var(np.concatenate(errors))
    assert measured == pytest.approx(noise.variance(chosen, float(np.mean((table**2).sum(axis=1)))), rel=0.1)
