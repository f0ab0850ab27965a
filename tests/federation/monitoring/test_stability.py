from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import PrivacyError
from federation.monitoring import Noisy, Verdict, judged, stability
from federation.monitoring.stability import LEVEL, joined

EDGES = np.linspace(-2.5, 2.5, 14)


def drawn(generator: np.random.Generator, records: int, sd: float, mean: float = 0.0) -> Noisy:
    cells = np.searchsorted(EDGES, generator.normal(mean, 1.0, records))
    return Noisy(np.bincount(cells, minlength=15) + generator.normal(0.0, sd, 15), sd)


def naive(reference: Noisy, current: Noisy) -> float:
    """The index as it is usually computed: counts taken for what they are, none below one."""
    p, q = (np.maximum(side.counts, 1.0) for side in (reference, current))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def test_without_noise_it_is_the_textbook_index() -> None:
    reference, current = (Noisy(1e6 * np.array(shares), 0.0) for shares in ([0.2, 0.3, 0.5], [0.3, 0.3, 0.4]))
    expected = 0.1 * np.log(0.3 / 0.2) - 0.1 * np.log(0.4 / 0.5)
    assert stability(reference, current).value == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("sd", [0.0, 10.0, 40.0])
def test_noise_alone_raises_no_alert_though_the_naive_index_does(sd: float) -> None:
    generator = np.random.default_rng(3)
    rounds = [
        {str(feature): (drawn(generator, 8000, sd), drawn(generator, 2500, sd)) for feature in range(5)}
        for _ in range(12)
    ]
    loud = 0
    for features in rounds:
        found = judged({name: stability(*pair, seed=7) for name, pair in features.items()})
        loud += any(index.verdict is not Verdict.STABLE for index in found.values())
    assert loud == 0  # of 12 reports, each with a chance of 1% at most
    if sd == 40.0:
        assert all(any(naive(*pair) >= 0.1 for pair in features.values()) for features in rounds)


def test_p_is_uniform_where_nothing_moved() -> None:
    """Of 150 unmoved populations about 15 have a p of at most .1; more than 24 with a chance of 1%."""
    generator = np.random.default_rng(5)
    found = [stability(drawn(generator, 6000, 25.0), drawn(generator, 3000, 25.0)).p for _ in range(150)]
    assert sum(p is not None and p <= 0.1 for p in found) <= 24
    assert sum(p is not None and p <= LEVEL for p in found) <= 5


@pytest.mark.parametrize(("mean", "verdict"), [(0.1, Verdict.STABLE), (0.38, Verdict.SHIFTED), (0.6, Verdict.ALERT)])
def test_a_shift_is_measured_without_bias_and_judged(mean: float, verdict: Verdict) -> None:
    """The index of two unit normals is the square of the distance of their means."""
    generator = np.random.default_rng(11)
    found = [
        judged({"x": stability(drawn(generator, 20_000, 20.0), drawn(generator, 9000, 20.0, mean))})["x"]
        for _ in range(20)
    ]
    values = [index.value for index in found if index.value is not None]
    assert np.mean(values) == pytest.approx(mean**2, abs=0.01 + 0.05 * mean**2)
    assert sum(index.verdict is verdict for index in found) >= 18


def test_of_many_features_the_one_that_moved_is_named() -> None:
    generator = np.random.default_rng(2)
    indices = {f"f{n}": stability(drawn(generator, 8000, 10), drawn(generator, 4000, 10), seed=n) for n in range(20)}
    indices["moved"] = stability(drawn(generator, 8000, 10), drawn(generator, 4000, 10, 0.7))
    found = judged(indices)
    assert [name for name, index in found.items() if index.verdict is not Verdict.STABLE] == ["moved"]


def test_too_few_records_give_no_figure() -> None:
    few = stability(Noisy(np.full(5, 4.0), 0.0), Noisy(np.full(5, 1000.0), 0.0))
    noisy = stability(Noisy(np.full(5, 400.0), 3000.0), Noisy(np.full(5, 400.0), 3000.0))
    for index in (few, noisy):
        assert (index.value, index.verdict) == (None, Verdict.WITHHELD)
        assert "too few" in index.note


def test_a_cell_that_one_vintage_lost_stays_a_cell() -> None:
    reference, current = Noisy(np.array([500.0, 500, 500]), 0.0), Noisy(np.array([0.0, 750, 750]), 0.0)
    assert joined(reference, current).tolist() == [0, 1, 2]
    assert stability(reference, current).value > 1  # type: ignore[operator]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-200, 5000), min_size=2, max_size=12).flatmap(
        lambda left: st.tuples(st.just(left), st.lists(st.floats(-200, 5000), min_size=len(left), max_size=len(left)))
    ),
    st.floats(0, 100),
)
def test_joined_cells_are_runs_that_expect_enough(sides: tuple[list[float], list[float]], sd: float) -> None:
    reference, current = (Noisy(np.array(side), sd) for side in sides)
    starts = joined(reference, current)
    assert list(starts) == sorted(set(starts))
    assert not len(starts) or starts[0] == 0
    index = stability(reference, current)
    assert index.value is None or (index.value >= 0 and 0 < index.p <= 1)  # type: ignore[operator]


def test_histograms_of_different_cells_are_not_added() -> None:
    with pytest.raises(PrivacyError):
        Noisy.sum([Noisy(np.ones(3), 1.0), Noisy(np.ones(4), 1.0)])
    total = Noisy.sum([Noisy(np.ones(3), 3.0), Noisy(np.ones(3), 4.0)])
    assert (total.records, total.sd) == (6.0, 5.0)
