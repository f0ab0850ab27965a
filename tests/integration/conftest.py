"""One recorded deployment for the tests of a file: `recorded_world`, with questions `asked` of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from recorded_secrets import PLANTED, Secrets, read_secrets
from recorded_world import RecordedWorld, recorded


class Recordings:
    """A deployment whose epoch is open; another one where a test has closed it."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stack = ExitStack()
        self._world: RecordedWorld | None = None
        self._asked: list[str] = []
        self._secrets: Secrets | None = None

    @property
    def world(self) -> RecordedWorld:
        """`bfv`, two rows; `asked` is what was asked first."""
        if self._world is None or self._world.phase != "open":
            self.close()
            made = recorded(self._folders.mktemp("recorded"), persons=1500, engine="bfv")
            self._world = self._stack.enter_context(made)
            self._ask(self._world)
        return self._world

    @property
    def asked(self) -> list[str]:
        """Two questions for one subject, one for another, one for nobody: put by aurora in a process of its own."""
        assert self.world
        return self._asked

    def _ask(self, world: RecordedWorld) -> None:
        own = set(world.subjects("aurora"))
        stranger = next(person for person in world.subjects("borealis") if person not in own)
        self._asked = [stranger, stranger, world.subjects("cassiopeia")[0], PLANTED]
        assert world.ask("aurora", self._asked) == ["scored", "scored", "scored", "no_hit"]

    @property
    def secrets(self) -> Secrets:
        world = self.world
        if self._secrets is None:
            self._secrets = read_secrets(world)
        return self._secrets

    def close(self) -> None:
        self._stack.close()
        self._world, self._asked, self._secrets = None, [], None


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recordings]:
    """Of one file: variables of the environment make processes record, which no other test may inherit."""
    made = Recordings(tmp_path_factory)
    yield made
    made.close()


@pytest.fixture
def recorded_world(recordings: Recordings) -> RecordedWorld:
    return recordings.world


@pytest.fixture
def asked(recordings: Recordings) -> list[str]:
    return recordings.asked


@pytest.fixture
def secrets(recordings: Recordings) -> Secrets:
    return recordings.secrets
