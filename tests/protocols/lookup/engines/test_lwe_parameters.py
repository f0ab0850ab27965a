"""Shapes, sizes, failures and security of the plain-LWE engine, each from its formula."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError
from protocols.lookup.engines.base import Geometry
from protocols.lookup.engines.lwe import noise
from protocols.lookup.engines.lwe.parameters import DIMENSION, FINE, MAX_HINT_BYTES, WIDE, LweShape, arrange

MILLION = LweShape(arrange(1_000_064, quorum=2))


def test_a_million_subjects_stay_within_the_bars() -> None:
    assert MILLION.geometry == Geometry(rows=16_131, slots=62, quorum=2)
    assert MILLION.query_bytes == 48_393 <= 50_000
    assert MILLION.answer_bytes == 2_736 <= 3_000
    assert MILLION.hint_bytes == 3_502_080 <= 3_600_000


@given(st.integers(1, 3 * 10**9), st.integers(1, 8))
def test_every_arrangement_holds_its_subjects_within_the_noise(subjects: int, quorum: int) -> None:
    shape = LweShape(arrange(subjects, quorum))
    assert shape.geometry.rows * shape.geometry.slots >= subjects > (shape.geometry.rows - 1) * shape.geometry.slots
    assert shape.columns <= shape.parameters.max_columns
    assert noise.log2_failure(shape.parameters, noise.uniform_squares(shape.columns)) <= noise.MAX_LOG2_FAILURE
    if shape.parameters is FINE:
        assert shape.hint_bytes <= MAX_HINT_BYTES


def test_a_nation_fits() -> None:
    shape = LweShape(arrange(1_100_000_000, quorum=2))
    assert shape.parameters is WIDE
    assert shape.query_bytes < 1.05e6
    assert shape.hint_bytes < 220e6


def test_more_columns_than_the_noise_allows_are_refused() -> None:
    LweShape(Geometry(WIDE.max_columns, 1, 1))
    with pytest.raises(MessageError, match="262144"):
        LweShape(Geometry(WIDE.max_columns + 1, 1, 1))


@pytest.mark.parametrize(("parameters", "expected"), [(FINE, -43.1), (WIDE, -43.5)])
def test_failure_of_a_full_table(parameters: noise.LweParameters, expected: float) -> None:
    """Per record of 20 bytes; of the whole row of a million subjects, signatures included, about 2^-37."""
    squares = noise.uniform_squares(parameters.max_columns)
    assert noise.log2_failure(parameters, squares) == pytest.approx(expected, abs=0.5)
    assert noise.log2_failure(parameters, squares, MILLION.height) < -36


def test_a_table_built_to_fail_does_not_open() -> None:
    """Uniform bytes pass at the largest size; a table that is one extreme byte throughout is refused there."""
    uniform = np.random.default_rng(4).integers(-128, 128, (40, FINE.max_columns), dtype=np.int8)
    noise.check_table(FINE, uniform)
    uniform[17] = -128
    with pytest.raises(MessageError, match=r"lwe\.table"):
        noise.check_table(FINE, uniform)
    noise.check_table(FINE, uniform[:, :2_000])  # a small one has room for any bytes


@pytest.mark.parametrize(("parameters", "bits"), [(FINE, 132), (WIDE, 123)])
def test_core_svp(parameters: noise.LweParameters, bits: int) -> None:
    assert core_svp_bits(DIMENSION, 2**32, parameters.sigma) == pytest.approx(bits, abs=0.5)


def core_svp_bits(n: int, q: int, sigma: float) -> float:
    """Classical core-SVP cost of the primal attack (Alkim et al. 2016, section 6.3) on LWE with a ternary secret, which
    is scaled to the size of the error (Bai, Galbraith 2014). 0.292 b for the smallest block size b that succeeds."""
    scale = sigma / math.sqrt(2 / 3)
    for block in range(200, 1000):
        log_delta = math.log((math.pi * block) ** (1 / block) * block / (2 * math.pi * math.e)) / (2 * (block - 1))
        for samples in range(n // 2, 3 * n // 2, 10):
            dimension = samples + n + 1
            log_volume = (samples * math.log(q) + n * math.log(scale)) / dimension
            if math.log(sigma * math.sqrt(block)) <= (2 * block - dimension - 1) * log_delta + log_volume:
                return 0.292 * block
    raise AssertionError("no block size succeeds")


def test_gaussian_has_the_distribution_it_claims() -> None:
    sigma, size = 64.0, 400_000
    drawn = noise.gaussian(sigma, size, np.random.default_rng(5).bytes)
    assert abs(drawn.mean()) < 4.5 * sigma / math.sqrt(size)
    assert drawn.var() == pytest.approx(sigma**2, rel=4.5 * math.sqrt(2 / size))
    for bound in (0, 30, 64, 150, 250):
        expected = math.erf((bound + 0.5) / sigma / math.sqrt(2))  # of |e| <= bound; sigma is wide enough for it
        spread = math.sqrt(expected * (1 - expected) / size)
        assert np.mean(abs(drawn) <= bound) == pytest.approx(expected, abs=4.5 * spread + 1e-5)


def test_gaussian_reaches_the_tail_and_no_further() -> None:
    """All bits set and none: the outermost magnitudes the table knows."""
    assert noise.gaussian(24.0, 2, lambda size: b"\xff" * size).tolist() == [-239, -239]
    assert noise.gaussian(24.0, 2, bytes).tolist() == [0, 0]


def test_ternary_is_uniform_and_rejects_the_byte_that_would_favour_zero() -> None:
    drawn = noise.ternary(300_000, np.random.default_rng(6).bytes)
    assert np.bincount(drawn + 1, minlength=3) == pytest.approx(100_000, abs=4.5 * math.sqrt(300_000 * 2 / 9))
    source = iter([b"\xff" * 66, bytes([0, 1]) + b"\xff" * 64])
    assert noise.ternary(2, lambda size: next(source)).tolist() == [-1, 0]
