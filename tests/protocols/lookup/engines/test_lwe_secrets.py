"""A secret used twice gives both rows away. The attack first, with the protection off; then each way to it, closed."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from collections.abc import Callable

import numpy as np
import pytest
from engine_world import EPOCH, random_bytes, random_rows

from protocols.errors import StageError
from protocols.lookup.engines import Geometry
from protocols.lookup.engines.lwe import LweClient, LweEngine
from protocols.lookup.engines.lwe.client import _Secret
from protocols.lookup.engines.lwe.matrix import PublicMatrix
from protocols.lookup.engines.lwe.product import blas_product

GEOMETRY = Geometry(rows=300, slots=1, quorum=1)
PREPARED = LweEngine(product=blas_product, process_id=os.getpid).prepare(random_rows(GEOMETRY), EPOCH)


def client(process_id: Callable[[], int] = os.getpid) -> LweClient:
    engine = LweEngine(product=blas_product, process_id=process_id)
    return engine.client(GEOMETRY, EPOCH, PREPARED.hint, random_bytes(11))


def numbers(query: bytes) -> np.ndarray:
    planes = np.frombuffer(query, dtype=np.int8).reshape(3, -1).astype(np.int64)
    return sum(plane << (8 * i) for i, plane in enumerate(planes)) % 2**24


def rows_given_away(one: bytes, other: bytes) -> list[int]:
    """What the pool computes from two queries: where their difference is far from zero."""
    difference = (numbers(one) - numbers(other) + 2**23) % 2**24 - 2**23
    return np.flatnonzero(abs(difference) > 2**12).tolist()


def test_attack_a_secret_used_twice_gives_both_rows_away() -> None:
    querier = client()
    querier.prepare(1)
    secret = querier._waiting[0]
    twin = _Secret(secret.vector.copy(), secret.masked.copy())
    _, one = querier.query(41)
    querier._waiting.appendleft(twin)
    _, other = querier.query(205)
    assert rows_given_away(one, other) == [41, 205]


def test_attack_a_matrix_of_the_pools_choice_gives_the_row_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why A comes from the epoch's name: with A = 0 a query is its row and a little noise."""
    honest = PublicMatrix.blocks
    assert len(rows_given_away(client().query(77)[1], bytes(900))) > 200
    monkeypatch.setattr(PublicMatrix, "blocks", lambda self, keep: ((at, 0 * block) for at, block in honest(self)))
    assert rows_given_away(client().query(77)[1], bytes(900)) == [77]


def test_every_query_has_a_secret_of_its_own() -> None:
    querier = client()
    querier.prepare(2)
    _, one = querier.query(41)
    _, other = querier.query(205)
    assert len(rows_given_away(one, other)) > 200
    assert not querier._waiting


def test_threads_never_share_a_secret() -> None:
    querier, queries = client(), []
    querier.prepare(40)
    threads = [
        threading.Thread(target=lambda: queries.extend(querier.query(5)[1] for _ in range(12))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(queries)) == 48


def test_a_used_secret_is_erased() -> None:
    querier = client()
    querier.prepare(1)
    secret = querier._waiting[0]
    pending, query = querier.query(3)
    assert not secret.masked.any()
    assert secret.vector.any()
    pending.open(PREPARED.answer([query], None)[0])
    assert not secret.vector.any()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda way: way.__name__)
def test_secrets_are_not_copied(duplicate: Callable[[object], object]) -> None:
    querier = client()
    querier.prepare(2)
    pending, _ = querier.query(3)
    for holder in (querier, pending, querier._waiting[0]):
        with pytest.raises(StageError):
            duplicate(holder)
    assert querier.save() is None


def test_attack_a_fork_shares_secrets_unless_the_process_is_checked() -> None:
    blind = client(process_id=lambda: 1)
    blind.prepare(1)
    theirs = in_a_fork(lambda: blind.query(205)[1])
    _, ours = blind.query(41)
    assert rows_given_away(ours, theirs) == [41, 205]


def test_a_forked_client_refuses() -> None:
    querier = client()
    querier.prepare(1)
    for use in (lambda: querier.query(205)[1], lambda: querier.prepare(3)):
        assert in_a_fork(use) == b"StageError"
    querier.query(41)  # the process that made it goes on


def in_a_fork(work: Callable[[], bytes | None]) -> bytes:
    """What `work` returns, or the name of the error it raises, in a forked copy of this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = work() or b""
        except BaseException as error:
            result = type(error).__name__.encode()
        os.write(writer, result)
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as stream:
        return stream.read()


def test_nothing_secret_is_shown() -> None:
    querier = client()
    querier.prepare(1)
    secret = querier._waiting[0]
    pending, _ = querier.query(3)
    for holder in (querier, pending, secret):
        assert "array" not in repr(holder)
        assert "vector" not in repr(holder)
