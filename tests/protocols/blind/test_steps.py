"""Weights of few values, or noise narrower than weights: fewer answers than weights solve for all of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from blind_world import SALT, owner, source
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.polys.domains import ZZ
from sympy.polys.matrices import DomainMatrix

from protocols.blind import BlindClient, BlindModel, Quota, QuotaError, Request
from protocols.blind.messages import SCALE_BITS, UNITS
from protocols.blind.steps import MOST_STEPS, bits_of, step_of


def answered(model: BlindModel, factors: np.ndarray, quota: Quota) -> np.ndarray:
    """int64[answers], units: values of the first part, where feature j of request i is `factors[i, j]` / 2^36."""
    scorer, values = owner(model, quota), []
    for row, wanted in enumerate(factors):
        pending, data = BlindClient(model.terms(), source(row)).ask([[0] * len(model.weights)])
        request = Request.decode(data, model.terms())
        columns = request.columns.copy()
        columns[0, : len(wanted)] += wanted.astype(np.uint64)
        answer = scorer.answer(f"lender-{row}", replace(request, columns=columns).encode(model.terms()))
        values.append(round(float(pending.open(answer).parts[0, 0]) * UNITS))
    return np.array(values)


POINTS = tuple((np.random.default_rng(31).integers(-40, 41, size=24) / 20).tolist())
"""24 weights in steps of .05 log-odds, between -2 and 2: 81 values, 6.3 bits each, and a value tells 14."""


def two_at_once(model: BlindModel, quota: Quota) -> list[float]:
    """Each answer has two weights side by side: one 2^14 units a step, the other 2^7 times that."""
    step = UNITS / 20
    factors = np.zeros((12, 24), dtype=np.int64)
    for row in range(12):
        factors[row, [2 * row, 2 * row + 1]] = [round(2 ** (14 + 7 * k + SCALE_BITS) / step) for k in range(2)]
    read: list[float] = []
    for value in answered(model, factors, quota):
        both = round(value / 2**14)
        low = (both + 64) % 128 - 64
        read += [low / 20, (both - low) // 128 / 20]
    return read


def test_a_scorecard_in_steps_is_read_two_weights_an_answer() -> None:
    """The quota that looks at the number of weights alone would give 23 answers; twelve are enough."""
    model = BlindModel(POINTS, (0,) * 24, SALT)
    assert two_at_once(model, Quota.extractable(23)) == pytest.approx(POINTS)
    assert model.solved_by == math.ceil(24 * math.log2(81) / 14) == 11
    with pytest.raises(QuotaError):
        two_at_once(model, Quota.below(model))


def reduced(factors: np.ndarray, values: np.ndarray, most: int) -> list[int]:
    """The small weights that explain the values modulo 2^28 units, up to a unit or two: closest vector by LLL."""
    answers, weights = factors.shape
    scale = most // 4  # a unit of error weighs as much as a weight
    rows = [
        [scale * int(x) for x in factors[:, j]] + [int(j == k) for k in range(weights)] + [0] for j in range(weights)
    ]
    rows += [[scale * 2**28 * (i == k) for k in range(answers)] + [0] * (weights + 1) for i in range(answers)]
    rows.append([-scale * int(value) for value in values] + [0] * weights + [most])
    lattice = DomainMatrix([[ZZ(x) for x in row] for row in rows], (len(rows), len(rows[0])), ZZ).lll().to_list()
    shortest = next((row for row in lattice if abs(int(row[-1])) == most), None)
    if shortest is None:
        return []
    sign = 1 if int(shortest[-1]) > 0 else -1
    return [sign * int(value) for value in shortest[answers:-1]]


def test_without_noise_fewer_answers_than_weights_are_solved_by_lattice_reduction() -> None:
    """Eight weights of 16 bits are 128 bits; five answers of 28 bits tell more, and with noise seven of 16 do not."""
    rng = np.random.default_rng(33)
    weights = tuple((rng.integers(-(2**15), 2**15, size=8) / UNITS).tolist())
    bare = BlindModel(weights, (0,) * 8, SALT, flood=0)
    factors = rng.integers(-(2**27), 2**27, size=(6, 8))
    values = answered(bare, factors << SCALE_BITS, Quota.extractable(6))
    assert reduced(factors, values, 2**15) == bare.units.tolist()
    assert Quota.below(bare).lifetime == 4
    with pytest.raises(QuotaError):
        answered(bare, factors << SCALE_BITS, Quota.below(bare))
    drowned = replace(bare, flood=12)
    assert (
        reduced(factors, answered(drowned, factors << SCALE_BITS, Quota.extractable(6)), 2**15) != bare.units.tolist()
    )
    assert Quota.below(drowned).lifetime == 7


@given(st.integers(20, 2**19), st.integers(2, 60), st.integers(-(2**20), 2**20), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_common_step_is_found_whatever_the_offset(tenths: int, levels: int, offset: int, seed: int) -> None:
    step = max(tenths / 10, 70.0)
    places = np.random.default_rng(seed).integers(0, levels, size=30)
    units = np.rint(places * step + offset).astype(np.int64)
    found = step_of(units)
    if len(set(places.tolist())) == 1:
        assert found == math.inf
    else:  # a longer one where the places themselves have a common factor
        assert bits_of(units, found) <= bits_of(units, step) + 0.02


def test_weights_of_a_trained_model_have_no_step() -> None:
    for seed in range(20):
        units = np.rint(np.random.default_rng(seed).normal(size=24) * 0.3 * UNITS).astype(np.int64)
        assert step_of(units) == 1.0
    assert step_of(np.arange(7) * 1000) == 1.0  # too few to tell
    assert MOST_STEPS == 2**14
