"""What the coordinator saw of masked rounds: measured on vectors under real masks, and on the same without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from masked_world import TRIO, Watched
from rounds_world import catalogue, make_plan

from federation.errors import ConfigurationError
from federation.rounds.rule import rule_of, summed_model
from workbench.demo.masked import Bytes, Material, measure
from workbench.demo.processes import DemoFailed


@pytest.fixture(scope="module")
def watched() -> Watched:
    """A run of real nodes: what each computed, and what the coordinator kept of it."""
    made = Watched()
    made.world.driver().run()
    return made


def material(watched: Watched, number: int) -> Material:
    record = watched.world.store().checkpoint().rounds[number - 1]  # type: ignore[union-attr]
    folder = watched.world.folder / "updates"
    form = rule_of(catalogue(), watched.world.plan).masked_form(number)
    received = {name: form.read((folder / named).read_bytes()) for name, named in record.updates.items()}
    hidden = {name: form.words(name, watched.computed[name, number]) for name in TRIO}
    opened = np.sum([watched.computed[name, number] for name in TRIO], axis=0, dtype=np.int64)
    return Material(number, form, received, hidden, opened)


def test_what_arrives_is_uniform_and_what_it_hides_is_not(watched: Watched) -> None:
    plan = watched.world.plan
    sight = measure(plan, summed_model(catalogue(), plan), [material(watched, number) for number in (1, 2, 3)])
    assert sight.received.p_value > 1e-6
    assert sight.bare.p_value < 1e-12
    for seen in sight.rounds:
        assert seen.received_p > 1e-6 > seen.bare_p
        assert (seen.survivors, seen.stage) == (3, "mains")
        assert seen.bare_bits < 50 < 62 <= seen.received_bits <= 63
        assert 0.7 < seen.bare_size < 100
        assert 0.7 < seen.opened_size < 100
    summary = sight.summary()
    assert (summary["rounds"], summary["members"], summary["survivors"]) == (3, 3, 3)
    assert summary["bytes_received"] == 3 * sum(seen.bytes for seen in sight.rounds)
    assert len(sight.evidence()["bytes"]["received"]) == 256


def test_what_was_hidden_has_to_add_up_to_what_was_opened(watched: Watched) -> None:
    honest = material(watched, 1)
    with pytest.raises(DemoFailed, match="another sum"):
        replace(honest, opened=honest.opened + 1)


def test_a_pattern_shows_in_the_test_that_is_shown() -> None:
    def p_of(vectors: Any) -> float:
        return Bytes.of(vectors).p_value

    noise = np.random.default_rng(5).integers(-(2**63), 2**63, 2_000)
    assert p_of([noise]) > 1e-6
    assert p_of([noise & ~np.int64(0xFF)]) < 1e-12  # one byte of eight is always zero


def test_local_noise_has_nothing_masked() -> None:
    with pytest.raises(ConfigurationError, match="local"):
        measure(make_plan(TRIO), None, [])  # type: ignore[arg-type]
