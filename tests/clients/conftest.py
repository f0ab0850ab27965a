from __future__ import annotations

import pytest
from rounds_world import Bank, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bank(clock: Clock) -> Bank:
    """A node on its own, which is told of rounds."""
    return Bank("bank-a", clock)
