"""The private lookup that high-level TenSEAL suggests: an encrypted one-hot vector and a dot product per value.

The querier sends BFV vectors of zeros and a single one that cover every subject; the server multiplies them with each
of the eight columns of the table and adds up. It is the yardstick for the engines of the private score query: correct,
as private against the server, and some hundred times as expensive. Only a few of its blocks are run; they all cost the
same, so the figures of the whole are extrapolated from them, and say so.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

SLOTS = 4096  # subjects a vector: half the ring, where a rotation stays inside one row of slots
VALUES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--blocks", type=int, default=3, help="blocks of 4,096 subjects that are really run")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of `measure`."""
    return measure(args.subjects, args.blocks)


def measure(subjects: int, blocks: int = 3) -> dict[str, Any]:
    """Server CPU seconds and bytes for one query over `subjects`, extrapolated from `blocks` blocks.

    Raises RuntimeError where the blocks that were run do not give the record asked for.
    """
    import numpy as np
    import tenseal as ts

    from protocols.lookup.parameters import MODULUS

    total = -(-subjects // SLOTS)
    measured = min(blocks, total)
    client = ts.context(ts.SCHEME_TYPE.BFV, poly_modulus_degree=2 * SLOTS, plain_modulus=MODULUS)
    client.generate_galois_keys()
    client.generate_relin_keys()
    keys = client.serialize(save_secret_key=False)
    server = ts.context_from(keys)
    table = np.random.default_rng(0).integers(-500, 500, (measured, VALUES, SLOTS))
    asked = (measured - 1, 123)

    sums: list[Any] = [None] * VALUES
    bytes_up = cpu_s = 0.0
    for block, columns in enumerate(table):
        one_hot = np.zeros(SLOTS, dtype=int)
        one_hot[asked[1]] = block == asked[0]
        query = ts.bfv_vector(client, one_hot.tolist()).serialize()
        bytes_up += len(query)
        start = time.process_time()
        received = ts.bfv_vector_from(server, query)
        products = [received.dot(column.tolist()) for column in columns]
        sums = [product if held is None else held + product for held, product in zip(sums, products, strict=True)]
        cpu_s += time.process_time() - start
    answers = [value.serialize() for value in sums]
    opened = [ts.bfv_vector_from(client, answer).decrypt()[0] for answer in answers]
    if opened != table[asked[0], :, asked[1]].tolist():
        raise RuntimeError("the naive lookup did not read the record asked for")
    return {
        "subjects": subjects,
        "naive_blocks": total,
        "naive_blocks_measured": measured,
        "naive_extrapolated": measured < total,
        "naive_server_cpu_s": cpu_s / measured * total,
        "naive_bytes_up": round(bytes_up / measured * total),
        "naive_bytes_down": sum(map(len, answers)),
        "naive_keys_bytes": len(keys),
    }
