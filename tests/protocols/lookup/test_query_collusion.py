"""A querier that does not play fair, together with a pool that answers honestly: what their queries bring out.

Several rows at once, split selections, selections below the scale: all of it is less than what the pool holds, and that
opens nobody without a ticket. Without pads it would.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from query_world import QueryWorld, opened
from world import START, WEEK, Epoch, signed_values

from protocols.lookup import table as tables
from protocols.lookup.engines.bfv.parameters import DEGREE
from protocols.lookup.parameters import COEFFICIENTS
from protocols.lookup.rows import Rows

sys.path.insert(0, str(Path(__file__).parent / "engines"))


def known(world: QueryWorld) -> bytes:
    """Somebody whom one or two members know."""
    return next(identifier for identifier in world.identifiers if world.truth(identifier)[1] in (1, 2))


def swap_pads_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables without pads: the protection that everything below leans on, taken away."""

    def none(_: bytes, __: bytes, ___: str, points: bytes) -> Any:
        return np.zeros((len(points) // 32, COEFFICIENTS), dtype=np.uint32)

    monkeypatch.setattr(tables, "pads", none)


def unpadded(world: QueryWorld, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The sum of the tables of an epoch without pads. It would not open: pads at the dummies are proved."""
    swap_pads_for_nothing(monkeypatch)
    epoch = world.prepare(7)
    world.place(epoch)
    world.sign(epoch, START + 6 * WEEK)
    world.build(epoch)
    return epoch, epoch.sum_values()


def people_read(world: QueryWorld, epoch: Epoch, values: Any, ticket: bytes) -> int:
    """How many of the others a holder of one ticket reads, trying its pads, and none, on a whole row or table."""
    pads = sum(value.astype(np.int64) for value in epoch.opened_pads(ticket).values())
    read = 0
    for identifier in world.identifiers:
        place = epoch.layout.find(epoch.point(identifier))
        if identifier == ticket or place is None:
            continue
        found = values[place].astype(np.int64)
        read += any(
            np.array_equal(signed_values(found - guess), world.truth(identifier)) for guess in (pads, np.zeros(8, int))
        )
    return read


def test_all_rows_of_an_honest_pool_open_one_person_for_one_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a crafted query brings out (several rows, split selections, noise) is less than what the pool holds."""
    world, epoch = opened("bfv")
    ticket = known(world)
    assert people_read(world, epoch, epoch.sum_values(), ticket) == 0
    assert np.array_equal(epoch.read(ticket), world.truth(ticket))
    bare, values = unpadded(world, monkeypatch)
    assert people_read(world, bare, values, ticket) == len(world.identifiers) - 1


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "unpadded"])
def test_below_the_scale_a_second_row_comes_out_as_it_is_padded(padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last row asked for in due form, row 0 selected below the scale, the answer's noise read: all with `bfv`."""
    import test_bfv_below_scale as below

    world, epoch = opened("bfv")
    assert epoch.audited is not None
    signatures, epoch_id = epoch.audited.rows.signatures, epoch.context.epoch_id
    bare, sums = unpadded(world, monkeypatch)
    values = epoch.audited.rows.values if padded else sums
    monkeypatch.setattr(below, "EPOCH", epoch_id)
    monkeypatch.setattr(below, "ROWS", len(values))
    prepared: Any = world.engine.prepare(Rows(values, signatures), epoch_id)
    querier: Any = world.engine.client(world.geometry(epoch), epoch_id, b"", world.random)
    pending, honest = querier.query(2)
    query = below.perturbed(honest, 0, 1 << (44 if padded else 50))
    [answer] = prepared.answer([query], querier.keys)
    assert np.array_equal(pending.open(answer)[0], values[2])  # it looks like any other query's

    secret, noise = below.secret_of(querier), below.noise_of(querier, answer)
    quotient = below.quotient_of(below.block_selection(prepared, query, querier.keys), secret)
    held, records, signed = (np.zeros(DEGREE, dtype=np.int64) for _ in range(3))
    held[: values[0].size] = below.centred(values[0].reshape(-1))
    signed[values[0].size :] = signatures[0].view("<u2")  # every member knows these: they are taken out
    truth = epoch if padded else bare
    for identifier in world.identifiers:
        row, slot = truth.layout.find(truth.point(identifier)) or (-1, 0)
        if row == 0:
            records[slot * 8 : slot * 8 + 8] = world.truth(identifier)
    public = below.negacyclic(quotient, below.centred(signed))
    noise = noise - public * (noise @ public) / (public @ public)
    assert below.correlation(noise, below.negacyclic(quotient, held)) > 0.8
    assert (below.correlation(noise, below.negacyclic(quotient, records)) > 0.8) == (not padded)
