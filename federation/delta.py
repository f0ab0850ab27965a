"""The delta that is used where nobody names one: the same rule for plans, institutions' caps and a regulator's policy.

>>> default_delta([500]), default_delta([20_000, 500])
(1e-05, 5e-06)

A plan and the caps of an institution may name less; `federation.privacy.check_delta` refuses more than 1 / (10 x size).
Plans take the largest of their members, so no institution's own default is below that of a plan it is in.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_DELTA = 1e-5
RECORDS_PER_DELTA = 10


def default_delta(nominal_records: Sequence[int]) -> float:
    """1e-5, or 1 / (10 x the largest nominal size) where that is less."""
    return min(MAX_DELTA, 1 / (RECORDS_PER_DELTA * max(nominal_records)))
