"""Why blind scoring is not TenSEAL's CKKS inner product: all weights, read from one answer to one honest request.

The lender encrypts its features and the owner multiplies by its weights, as TenSEAL documents it. The product is summed
by rotations, so slot i of the answer holds the sum of the products from i on. `decrypt` shows slot 0 alone because a
length is written beside the ciphertext; the lender, whose key it is, writes another length and reads them all.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tenseal as ts

_DEGREE, _CHAIN, _SCALE = 8192, [60, 40, 40, 60], 2.0**40
_ONE_SLOT, _ALL_SLOTS = bytes.fromhex("0a0101"), bytes.fromhex("0a028020")  # field 1, sizes: 1, and 4,096


def leak(features: int, seed: int = 1) -> dict[str, Any]:
    """The largest error (log-odds) of the weights that a lender reads from one answer, and what an answer costs."""
    weights = np.random.default_rng(seed).normal(size=features) * 0.3
    context = ts.context(ts.SCHEME_TYPE.CKKS, _DEGREE, coeff_mod_bit_sizes=_CHAIN)
    context.global_scale = _SCALE
    context.generate_galois_keys()
    request = ts.ckks_vector(context, [1.0] * features).serialize()
    start = time.process_time()
    answer = ts.ckks_vector_from(context, request).dot(weights.tolist()).serialize()  # all that the owner does
    seconds = time.process_time() - start
    sums = np.array(ts.ckks_vector_from(context, _ALL_SLOTS + answer.removeprefix(_ONE_SLOT)).decrypt())
    read = sums[:features] - sums[1 : features + 1]
    return {
        "answers": 1,
        "weights": features,
        "largest_error": float(np.abs(read - weights).max()),
        "largest_weight": float(np.abs(weights).max()),
        "server_ms": 1000 * seconds,
        "request_bytes": len(request),
        "answer_bytes": len(answer),
    }
