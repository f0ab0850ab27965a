"""Dealing records: nobody twice, nobody lost, sizes as planned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.records.encoded import Encoded
from workbench.partition import LARGEST_SHARE, Split, holdout, nominal_sizes, partition


def records(n: int, seed: int = 0) -> Encoded:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 6, (n, 5)).astype(np.uint8)
    return Encoded(codes=codes, target=(rng.random(n) < 0.05 + 0.06 * codes[:, 0]).astype(np.uint8))


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(40, 900),
    institutions=st.integers(3, 12),
    split=st.sampled_from(["even", "skewed"]),
    seed=st.integers(0, 1000),
)
def test_every_record_goes_to_exactly_one(n: int, institutions: int, split: Split, seed: int) -> None:
    parts = partition(records(n), institutions, split, np.random.default_rng(seed))
    assert sorted(np.concatenate(parts.members).tolist()) == list(range(n))
    assert len(parts.members) == len(parts.nominal) == institutions


@pytest.mark.parametrize("institutions", [3, 4, 5, 10, 40])
def test_no_skewed_share_is_too_large_for_the_delta(institutions: int) -> None:
    sizes = nominal_sizes(24_000, institutions, "skewed")
    assert max(sizes) <= LARGEST_SHARE * 24_000 + 1
    assert max(sizes) > min(sizes) > 0
    assert abs(sum(sizes) - 24_000) <= institutions


def test_skewed_differs_in_size_default_rate_and_mix() -> None:
    dealt, whole = partition(records(20_000), 5, "skewed", np.random.default_rng(3)), records(20_000)
    assert whole.target is not None
    rates = [whole.target[rows].mean() for rows in dealt.members]
    means = [whole.codes[rows].mean(axis=0) for rows in dealt.members]
    assert max(rates) > 1.4 * min(rates)
    assert np.ptp(means, axis=0).max() > 0.5
    for rows, size in zip(dealt.members, dealt.nominal, strict=True):
        assert abs(len(rows) - size) < 0.05 * size + 20


def test_even_split_is_even_and_seeded() -> None:
    one, same, other = (partition(records(1001), 4, "even", np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert {len(rows) for rows in one.members} == {250, 251}
    assert all(np.array_equal(a, b) for a, b in zip(one.members, same.members, strict=True))
    assert not np.array_equal(one.members[0], other.members[0])


def test_holdout_keeps_the_default_rate() -> None:
    whole = records(5_000)
    assert whole.target is not None
    train, test = holdout(whole.target, 0.2, seed=1)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(5_000))
    assert abs(whole.target[train].mean() - whole.target[test].mean()) < 0.001


@pytest.mark.parametrize(
    ("n", "institutions", "split"), [(10, 11, "even"), (10, 0, "even"), (100, 2, "skewed"), (100, 3, "by hand")]
)
def test_impossible_splits_are_refused(n: int, institutions: int, split: Split) -> None:
    with pytest.raises(ConfigurationError):
        nominal_sizes(n, institutions, split)


def test_skewed_needs_outcomes() -> None:
    blind = Encoded(codes=records(50).codes)
    with pytest.raises(ConfigurationError, match="outcome"):
        partition(blind, 3, "skewed", np.random.default_rng(0))
