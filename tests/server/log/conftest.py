from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from log_samples import url_of
from log_world import Clock, world

from server.log import LogHost


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path, clock: Clock) -> Iterator[LogHost]:
    made = world(url_of(tmp_path), clock=clock)
    yield made
    made.store.close()
