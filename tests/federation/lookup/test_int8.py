"""The int8 product is tested before it serves; a product that saturates, wraps or reads garbage is found out."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.lookup import int8
from federation.lookup.engines import load
from protocols.errors import MessageError
from protocols.lookup.engines import Geometry
from protocols.lookup.engines.lwe.product import Int8, Product, blas_product
from protocols.lookup.rows import Rows


@pytest.fixture(autouse=True)
def _untested() -> None:
    int8.fastest.cache_clear()


def exact(left: Int8, right: Int8) -> np.ndarray:
    return left.astype(np.int64) @ right.astype(np.int64)


def saturating(left: Int8, right: Int8) -> np.ndarray:
    """What AVX2 and AVX512 without VNNI do (vpmaddubsw): left + 128 unsigned, pairs of products saturated to 16 bits,
    and what the 128 added taken off again."""
    even = left.shape[1] // 2 * 2
    raised, wide = left.astype(np.int64) + 128, right.astype(np.int64)
    total = raised[:, even:] @ wide[even:]
    for k in range(0, even, 2):
        total += np.clip(raised[:, k : k + 2] @ wide[k : k + 2], -(2**15), 2**15 - 1)
    return (total - 128 * wide.sum(axis=0)).astype(np.int32)


def in_sixteen_bits(left: Int8, right: Int8) -> np.ndarray:
    return (left.astype(np.int16) @ right.astype(np.int16)).astype(np.int32)


def in_float32(left: Int8, right: Int8) -> np.ndarray:
    """Rounds once sums pass 2^24."""
    return (left.astype(np.float32) @ right.astype(np.float32)).astype(np.int32)


def wrong_for_one_column(left: Int8, right: Int8) -> np.ndarray:
    product = blas_product(left, right)
    return product if left.shape[1] > 1 else np.zeros_like(product)


def wrong_for_a_query_alone(left: Int8, right: Int8) -> np.ndarray:
    product = blas_product(left, right)
    return product if right.shape[1] > 4 else product + 1


def wrong_for_some_columns_of_a_table(left: Int8, right: Int8) -> np.ndarray:
    product = blas_product(left, right)
    return product if left.flags.c_contiguous else product + 1


@pytest.mark.parametrize(
    "faulty",
    [
        wrong_for_a_query_alone,
        wrong_for_some_columns_of_a_table,
        saturating,
        in_sixteen_bits,
        in_float32,
        wrong_for_one_column,
    ],
)
def test_an_inexact_product_is_found_out(faulty: Product) -> None:
    assert not int8.is_exact(faulty)


def test_the_product_chosen_here_is_exact() -> None:
    kernel = int8.fastest()
    assert kernel.name in (int8.TORCH, int8.PORTABLE)
    assert int8.is_exact(kernel.product)


def unsupported(left: Int8, right: Int8) -> np.ndarray:
    raise RuntimeError("no int8 product for this processor")


@pytest.mark.parametrize("broken", [saturating, unsupported])
def test_where_torch_is_not_exact_numpy_serves(broken: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "torch_product", broken)
    assert int8.fastest() == int8.Kernel(int8.PORTABLE, blas_product)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instructions in question are those of x86-64")
def test_without_vnni_pytorch_is_wrong_and_is_not_used() -> None:
    """oneDNN made to ignore what this processor may have beyond AVX2, in a process of its own."""
    program = "from federation.lookup import int8; print(int8.is_exact(int8.torch_product), int8.fastest().name)"
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["False", f"{int8.PORTABLE}\n"]


PRODUCTS = [blas_product, int8.fastest().product]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 3000), st.integers(1, 70), st.sampled_from(PRODUCTS))
def test_products_agree_with_integers(rows: int, inner: int, columns: int, product: Product) -> None:
    generator = np.random.default_rng(rows * inner + columns)
    left = generator.integers(-128, 128, (rows, inner), dtype=np.int8)
    right = generator.integers(-128, 128, (columns, inner), dtype=np.int8).T
    assert np.array_equal(product(left, right), exact(left, right))


@pytest.mark.parametrize("product", PRODUCTS, ids=["numpy", "chosen"])
def test_the_longest_rows_of_extremes_are_exact(product: Product) -> None:
    """The largest sum, and one that is odd: float32 would round it."""
    left = np.stack([np.full(2**16, -128, dtype=np.int8), np.full(2**16, 127, dtype=np.int8)])
    right = left.T.copy()
    right[-1] = -1
    assert np.array_equal(product(left, right), exact(left, right))
    assert (product(left[:1], left[:1].T) == 2**30).all()


def test_a_single_inner_element_is_no_garbage() -> None:
    """PyTorch 2.13 returns uninitialised memory for one column times one transposed column."""
    left, right = np.arange(-60, 60, dtype=np.int8).reshape(-1, 1), np.arange(-100, 100, dtype=np.int8).reshape(-1, 1).T
    for _ in range(3):
        assert np.array_equal(int8.torch_product(left, right), exact(left, right))


def test_read_only_views_are_accepted() -> None:
    left = np.frombuffer(bytes(range(200)), dtype=np.int8).reshape(4, 50)
    for product in PRODUCTS:
        assert np.array_equal(product(left[:, 3:], left[:, 3:].T), exact(left[:, 3:], left[:, 3:].T))


@pytest.mark.parametrize("name", ["lwe", "mirror"])
def test_programs_load_engines_ready_to_use(name: str) -> None:
    engine = load(name)
    rows = Rows(np.arange(48, dtype=np.uint32).reshape(2, 3, 8), np.ones((2, 64), dtype=np.uint8))
    prepared = engine.prepare(rows, bytes(32))
    pending, query = engine.client(Geometry(2, 3, 1), bytes(32), prepared.hint, np.random.default_rng(1).bytes).query(1)
    assert np.array_equal(pending.open(prepared.answer([query], None)[0])[0], rows.values[1])


def test_no_engine_is_guessed() -> None:
    with pytest.raises(MessageError):
        load("fastest")
