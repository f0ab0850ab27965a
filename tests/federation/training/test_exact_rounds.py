"""A round of the additive model is a function of its words: the same in another process, on another kind of CPU.

The reference below is written in Python's integers and in Python's floats, one operation at a time; what the trainer
makes with numpy, torch and Opacus must be the same bits.
"""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from federation.catalogue import load_catalogue
from federation.errors import PrivacyError
from federation.privacy import PrivacyPlan
from federation.privacy.discrete import discrete_gaussian
from federation.privacy.drbg import DrbgNoise
from federation.privacy.exact import ExactMechanism
from federation.privacy.lattice import MOST, POINTS
from federation.privacy.sampling import exact_sample
from federation.records.encoded import Encoded
from federation.training import Recipe, Trainer, initial_parameters
from federation.training.additive import AdditiveModel
from federation.training.fixed_point import LOGIT, RESIDUAL, _sigmoid, residuals

CATALOGUE = load_catalogue("australian")
RECIPE = Recipe(learning_rate=9.75)
PLAN = PrivacyPlan(
    epsilon=1.0,
    delta=1e-5,
    sampling_rate=0.2,
    noise_multiplier=7.6254,
    clip=0.5,
    steps_per_round=5,
    rounds=20,
)
NOMINAL = 700


def records(count: int = 690, seed: int = 1) -> Encoded:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, feature.n_cells + (at % 5 == 0), count) for at, feature in enumerate(CATALOGUE.features)]
    return Encoded(np.stack(codes, axis=1).astype(np.uint8), rng.integers(0, 2, count).astype(np.uint8))


def start() -> np.ndarray:
    size = initial_parameters(CATALOGUE, RECIPE).size
    return np.random.default_rng(2).normal(0, 1.5, size).astype(np.float32)


def drbg(tag: int = 0) -> DrbgNoise:
    return DrbgNoise(lambda step: hashlib.sha256(b"%d %d" % (tag, step)).digest())


def update(tag: int = 0) -> np.ndarray:
    return Trainer(CATALOGUE, RECIPE, PLAN, NOMINAL, drbg(tag)).round(start(), records())


def reference(tag: int = 0) -> list[float]:
    """The same round, spelled out."""
    model, held, noise = AdditiveModel(CATALOGUE), records(), drbg(tag)
    x = (model.embedding.dense(held.codes) * 2**16).astype(np.int64).tolist()
    clip = Fraction(PLAN.clip) * 2**32
    sigma = Fraction(PLAN.noise_multiplier) * clip
    unit = float(Fraction(RECIPE.learning_rate) / (Fraction(PLAN.sampling_rate) * NOMINAL * 2**32))
    weights, momentum = [float(value) for value in start()], [0.0] * model.dimension
    for _ in range(PLAN.steps_per_round):
        rows = exact_sample(noise, len(held), PLAN.sampling_rate)
        fixed = [round(value * 2**20) for value in weights]
        total = [0] * model.dimension
        for row in rows.tolist():
            z = model._intercept + sum(a * b for a, b in zip(x[row], fixed, strict=True))
            cell = min(max((z >> 26) + 2**14, 0), 2**15 - 1)
            r = int(_sigmoid()[cell]) - int(held.target[row]) * 2**16
            share = int((held.codes[row] < [f.n_cells for f in CATALOGUE.features]).sum()) * model.embedding.share
            limit = math.isqrt(math.floor(clip**2 / share)) if share else 0
            r = min(max(r, -limit), limit)
            total = [a + r * b for a, b in zip(total, x[row], strict=True)]
        drawn = noise.discrete_gaussian(model.dimension, sigma).tolist()
        gradient = [float(a + b) * unit for a, b in zip(total, drawn, strict=True)]
        momentum = [RECIPE.momentum * m + g for m, g in zip(momentum, gradient, strict=True)]
        weights = [w - m for w, m in zip(weights, momentum, strict=True)]
    return [w - float(s) for w, s in zip(weights, start(), strict=True)]


def test_the_trainer_computes_what_is_written_down_to_the_bit() -> None:
    assert update().tolist() == np.array(reference()).astype(np.float32).tolist()
    assert update(1).tolist() != update(0).tolist()


ELSEWHERE = {
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "OPENBLAS_CORETYPE": "Prescott",  # an old CPU's kernels
    "MKL_NUM_THREADS": "2",
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "default",  # torch without vector instructions
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX2_Usable,-FMA_Usable",  # another exp and log
    "PYTHONHASHSEED": "7",
}


def test_another_process_on_another_kind_of_cpu_makes_the_same_bytes() -> None:
    script = "import test_exact_rounds as t, sys; sys.stdout.write(t.update().tobytes().hex())"
    environment = {**os.environ, **ELSEWHERE, "PYTHONPATH": str(Path(__file__).parent), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout == update().tobytes().hex()


def test_threads_of_torch_change_nothing() -> None:
    before, threads = update(), torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            assert update().tobytes() == before.tobytes()
    finally:
        torch.set_num_threads(threads)


def test_a_sum_does_not_depend_on_the_order_of_records() -> None:
    model, held = AdditiveModel(CATALOGUE), records(5_000)
    flat = start().astype(np.float64)
    mixed = held.take(np.random.default_rng(3).permutation(len(held)))
    sums = [model.clipped_sum(flat, each.codes, each.target, 0.5) for each in (held, mixed)]
    assert sums[0].dtype == np.int64
    assert np.array_equal(*sums)


def test_adding_a_record_moves_the_sum_by_exactly_its_own_part() -> None:
    model, held = AdditiveModel(CATALOGUE), records(300)
    flat = start().astype(np.float64)
    whole = model.clipped_sum(flat, held.codes, held.target, 0.5)
    rest = model.clipped_sum(flat, held.codes[1:], held.target[1:], 0.5)
    alone = model.clipped_sum(flat, held.codes[:1], held.target[:1], 0.5)
    assert np.array_equal(whole - rest, alone)


def test_the_sigmoid_is_symmetric_and_near_the_real_one() -> None:
    table = _sigmoid()
    assert np.array_equal(table + table[::-1], np.full(len(table), RESIDUAL))
    assert (np.diff(table) >= 0).all()
    z = np.linspace(-20, 20, 4001)
    found = residuals((z * LOGIT).astype(np.int64), np.zeros(len(z), dtype=np.uint8), RESIDUAL) / RESIDUAL
    assert np.abs(found - 1 / (1 + np.exp(-z))).max() < 2**-12


def test_the_sensitivity_is_the_clip_and_reached() -> None:
    """A record that holds everything and is all wrong comes within rounding of the clip, and never beyond."""
    model, held = AdditiveModel(CATALOGUE), records(400, seed=9)
    flat = np.full(model.dimension, 30.0)
    parts = [
        model.clipped_sum(flat, held.codes[i : i + 1], 1 - 0 * held.target[i : i + 1], 0.5).tolist() for i in range(400)
    ]
    flat = -flat
    parts += [model.clipped_sum(flat, held.codes[i : i + 1], held.target[i : i + 1], 0.5).tolist() for i in range(400)]
    squares = [sum(value**2 for value in part) for part in parts]
    assert max(squares) <= (POINTS // 2) ** 2
    assert max(squares) > 0.999 * (POINTS // 2) ** 2


def mechanism(**change: Any) -> ExactMechanism:
    made = PLAN.model_copy(update=change).mechanism(drbg())
    assert isinstance(made, ExactMechanism)
    return made


def test_a_mechanism_releases_what_its_event_says_and_no_more() -> None:
    made = mechanism(steps_per_round=2)
    total = np.arange(-3, 4, dtype=np.int64) * 2**40
    first = made.release_points(total)
    expected = discrete_gaussian(drbg().words, 7, made.sigma)
    assert np.array_equal(first - total, expected)
    assert made.sigma == Fraction(7.6254) * 2**31
    made.release_points(total)
    with pytest.raises(PrivacyError, match="steps"):
        made.release_points(total)


def test_what_is_not_an_integer_sum_is_not_released() -> None:
    beyond = [np.array([value], dtype=np.int64) for value in (MOST + 1, -MOST - 1, -(2**63))]  # |-2^63| is negative
    for total in (np.zeros(3), *beyond):
        with pytest.raises(PrivacyError, match="total"):
            mechanism().release_points(total)  # type: ignore[arg-type]
    for value in (1e-12, np.nan, np.inf):
        with pytest.raises(PrivacyError, match="lattice"):
            mechanism().release(np.array([value]))
    with pytest.raises(PrivacyError, match="scale"):
        mechanism(noise_multiplier=1e-5, clip=1e-3)


def test_an_evaluation_lies_on_the_lattice_and_comes_back_on_it() -> None:
    made = PLAN.model_copy(update={"evaluation_multiplier": 20.0}).evaluation(drbg())
    released = made.release(np.array([0.25, -3.0, 2.0**-24])) * POINTS
    assert np.array_equal(released, np.rint(released))
