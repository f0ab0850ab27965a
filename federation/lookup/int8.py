"""The int8 matrix product the `lwe` engine runs on: PyTorch's where it is exact on this machine, NumPy's elsewhere.

`torch._int_mm` reaches the processor's int8 instructions (AMX, AVX512-VNNI, AVX-VNNI). Without them oneDNN adds pairs
of products in 16 bits and saturates, silently: answers would be noise. So the product is tested before it is chosen,
on the shapes the engine uses and with the values that overflow first; `Kernel.name` says which one serves.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

from protocols.lookup.engines.lwe.product import Int8, Product, blas_product

log = logging.getLogger(__name__)

TORCH, PORTABLE = "torch int8", "numpy float32"
_ROWS_AND_COLUMNS = ((1, 40), (3, 300), (192, 65), (300, 128), (300, 3), (300, 4))
"""The last two: a table and one query, of 3 or 4 digits."""
_INNER = (1, 63, 1280, 4097)
_EXTREME = (-128, 127, -1, 1)


@dataclass(frozen=True)
class Kernel:
    """An exact int8 product and what it is called."""

    name: str
    product: Product


@cache
def fastest() -> Kernel:
    """The fastest product that is exact here; tested once per process, in 70 milliseconds of CPU."""
    chosen = Kernel(TORCH, torch_product) if _torch_is_exact() else Kernel(PORTABLE, blas_product)
    log.info("int8 matrix product: %s", chosen.name)
    return chosen


def torch_product(left: Int8, right: Int8) -> npt.NDArray[np.int32]:
    """int8[m, k] times int8[k, n] by PyTorch: exact only where `is_exact` says so."""
    if left.shape[1] == 1:  # of a transposed column PyTorch 2.13 returns uninitialised memory
        return left.astype(np.int32) * right.astype(np.int32)
    product: npt.NDArray[np.int32] = torch._int_mm(_tensor(left), _tensor(right)).numpy()
    return product


def is_exact(product: Product) -> bool:
    """Whether `product` agrees with exact arithmetic on extreme and on arbitrary values, in every memory layout."""
    return all(np.array_equal(product(left, right), blas_product(left, right)) for left, right in _trials())


def _torch_is_exact() -> bool:
    try:
        return is_exact(torch_product)
    except (AttributeError, RuntimeError) as error:
        log.warning("torch has no int8 product here (%s)", type(error).__name__)
        return False


def _trials() -> Iterator[tuple[Int8, Int8]]:
    for inner in _INNER:
        for rows, columns in _ROWS_AND_COLUMNS:
            left, right = _arbitrary(rows, inner), _arbitrary(columns, inner)
            for line, value in enumerate(_EXTREME):  # whole lines of the values that saturate first
                left[line % rows] = value
                right[line % columns] = value
            for table in (left, np.pad(left, ((0, 0), (1, 2)))[:, 1:-2]):  # whole, and some columns of a wider one
                yield table, right.T
                yield table, np.ascontiguousarray(right.T)


def _arbitrary(rows: int, columns: int) -> Int8:
    """The same bytes in every process: a test that passed once cannot fail by luck."""
    return np.random.default_rng(rows * columns).integers(-128, 128, (rows, columns), dtype=np.int8)


def _tensor(array: Int8) -> torch.Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())  # PyTorch warns of read-only memory
