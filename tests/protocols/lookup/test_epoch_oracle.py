"""More than a thousand readings against a plaintext oracle, a third of them of people nobody knows; J = 3, 8, 50."""

from __future__ import annotations

import numpy as np
import pytest
from world import World

from protocols.lookup.parameters import LIMIT


@pytest.mark.parametrize(("members", "subjects", "readings"), [(3, 400, 900), (8, 120, 240), (50, 20, 40)])
def test_every_reading_is_the_oracles(members: int, subjects: int, readings: int) -> None:
    world = World(members, subjects, seed=members, bound=LIMIT // members, dummies=4)
    epoch = world.epoch()
    values, rng = epoch.sum_values(), np.random.default_rng(members)
    absent = 0
    for number in range(readings):
        unknown = rng.random() < 0.3
        identifier = f"stranger-{number}".encode() if unknown else world.identifiers[rng.integers(subjects)]
        if unknown:
            absent += 1
            assert epoch.layout.find(epoch.point(identifier)) is None
        read = epoch.read(identifier, values)
        assert np.array_equal(read, world.truth(identifier))
        assert (read[1] == 0) == unknown
    assert readings / 5 < absent < readings / 2.5
