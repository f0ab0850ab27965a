"""The measurement that docs/decisions/0014-blind-scoring.md rests on."""

from __future__ import annotations

from benchmarks.ckks_leak import leak


def test_one_answer_of_a_ckks_inner_product_gives_every_weight() -> None:
    found = leak(20)
    assert found["largest_weight"] > 0.3
    assert found["largest_error"] < 1e-4
