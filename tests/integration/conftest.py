"""One recorded deployment for all tests that read what was recorded: `recorded_world`, with questions `asked` of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recorded_secrets import PLANTED, Secrets, read_secrets
from recorded_world import RecordedWorld, recorded


@pytest.fixture(scope="session")
def recorded_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedWorld]:
    """`bfv`, two rows."""
    with recorded(tmp_path_factory.mktemp("recorded"), persons=1500, engine="bfv") as made:
        yield made


@pytest.fixture(scope="session")
def asked(recorded_world: RecordedWorld) -> list[str]:
    """Two questions for one subject, one for another, one for nobody: put by aurora in a process of its own."""
    own = set(recorded_world.subjects("aurora"))
    stranger = next(person for person in recorded_world.subjects("borealis") if person not in own)
    subjects = [stranger, stranger, recorded_world.subjects("cassiopeia")[0], PLANTED]
    assert recorded_world.ask("aurora", subjects) == ["scored", "scored", "scored", "no_hit"]
    return subjects


@pytest.fixture(scope="session")
def secrets(recorded_world: RecordedWorld, asked: list[str]) -> Secrets:
    return read_secrets(recorded_world)
