"""What leaves a querier, and what a querier that does not play fair reads: functions of the padded sum table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bfv_world import ENGINE, SLOTS, client, table
from engine_world import EPOCH

from protocols.lookup.engines.bfv import messages, serial
from protocols.lookup.engines.bfv.expansion import weight
from protocols.lookup.engines.bfv.packing import pack_residues
from protocols.lookup.engines.bfv.parameters import DATA_PRIMES, DEGREE, Shape
from protocols.lookup.engines.bfv.serial import Seeded
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows

ROWS = 4
SHAPE = Shape.of(ROWS)
RNG = np.random.default_rng(11)
SIGNATURES = RNG.integers(0, 256, (ROWS, 128), dtype=np.uint8)


def uniform() -> Any:
    return RNG.integers(0, MODULUS, (ROWS, SLOTS, 8), dtype=np.int64)


def prepared(values: Any) -> Any:
    return ENGINE.prepare(Rows(values=(values % MODULUS).astype(np.uint32), signatures=SIGNATURES), EPOCH)


def selecting(querier: Any, columns: list[int], blocks: list[int]) -> bytes:
    """A query no honest client makes: several columns and blocks at once."""
    coefficients = np.zeros(DEGREE, dtype=np.uint64)
    for index in [*columns, *(SHAPE.columns + block for block in blocks)]:
        coefficients[index] = weight(index, SHAPE.selections)
    made = serial.query_parts(querier._encryptor.encrypt_symmetric(serial.plaintext(coefficients)))
    return messages.QUERY.frame(EPOCH, messages.query_payload(made))


def shifted(query: bytes, amounts: dict[int, int]) -> bytes:
    """The query with integers added to coefficients of c0: below the scale, they change what no plaintext can."""
    read = messages.read_query(messages.QUERY.payload(EPOCH, query))
    c0 = read.c0.copy()
    for prime, modulus in enumerate(DATA_PRIMES):
        for index, amount in amounts.items():
            c0[prime, index] = (int(c0[prime, index]) + amount) % modulus
    return messages.QUERY.frame(EPOCH, messages.query_payload(Seeded(read.seed, c0)))


def test_no_message_contains_the_secret_key() -> None:
    querier = client(ROWS)
    residues = serial.secret_residues(querier._secret)
    raw, packed = residues.astype("<u8").tobytes(), pack_residues(residues)
    traces = [code[start : start + 60] for code in (raw, packed) for start in range(0, len(code), 7 * 1200)]
    saved, sent = querier.save(), [querier.keys, *(querier.query(row)[1] for row in range(ROWS))]
    assert sum(trace in saved for trace in traces) >= len(packed) // 8400  # the search would find it
    assert not any(trace in message for trace in traces for message in sent)
    assert not any(trace.hex()[:16] in repr(querier) + repr(vars(querier)["_secret"]) for trace in traces)


def test_another_secret_key_opens_nothing() -> None:
    held, querier = table(ROWS), client(ROWS)
    pending, query = querier.query(1)
    [answer] = ENGINE.prepare(held, EPOCH).answer([query], querier.keys)
    stranger, _ = client(ROWS).query(1)
    assert stranger.noise_budget(answer) == 0
    assert not np.array_equal(stranger.open(answer)[0], held.values[1])
    assert np.array_equal(pending.open(answer)[0], held.values[1])


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "unpadded"])
def test_combinations_of_rows_open_nothing_but_where_pads_are_missing(padded: bool) -> None:
    """The querier holds the ticket of (row 0, slot 7) and asks for the sum of all rows."""
    records = np.zeros((ROWS, SLOTS, 8), dtype=np.int64)
    records[:, :, 1] = 1
    records[:, :, 2:] = RNG.integers(-4000, 4000, (ROWS, SLOTS, 6))
    pads = uniform() if padded else np.zeros_like(records)
    querier = client(ROWS)
    query = selecting(querier, list(range(SHAPE.columns)), list(range(SHAPE.blocks)))
    pending, _ = querier.query(0)
    values, _ = pending.open(prepared(records + pads).answer([query], querier.keys)[0])
    unpadded = (values.astype(np.int64) - pads[0, 7]) % MODULUS
    others = np.count_nonzero((unpadded == records.sum(axis=0) % MODULUS).all(axis=1))
    assert others == (0 if padded else SLOTS)  # without pads, every sum of four subjects is read
