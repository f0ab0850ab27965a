"""A regulator that watches a real log, turn by turn: `scene` is a fixture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from oversight_world import World
from regulator_world import LATER, RealLog, overseen, regulator_home, served

from clients.regulator.home import RegulatorHome
from clients.regulator.watch import Watcher
from protocols.transparency import (
    Entry,
    read_entry,
)


@dataclass
class Scene:
    """A regulator, its federation's log, and where that is served."""

    home: RegulatorHome
    world: World
    log: RealLog
    url: str

    def watcher(self, rate: float = 1.0) -> Watcher:
        draw = self.home.settings.draw.model_copy(update={"rate": rate})
        settings = self.home.settings.model_copy(update={"draw": draw, "log_url": self.url})
        home = RegulatorHome(self.home.path, settings, self.home.signing_key)
        return Watcher.open(home, clock=lambda: float(LATER))

    def logged(self, kind: str) -> list[Entry]:
        return [read_entry(data) for _, data in self.log.store.entries(0, 1000, kind).entries]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    home = regulator_home(tmp_path)
    world = overseen()
    log = RealLog(f"sqlite:///{tmp_path / 'log.db'}", world.entries)
    with served(log, world.documents) as url:
        yield Scene(home, world, log, url)
    log.store.close()


def turns(scene: Scene, watcher: Watcher, count: int = 3) -> None:
    """The members cosign after the regulator, each time."""
    for _ in range(count):
        watcher.turn()
        scene.log.host.tick()
        scene.log.witness()
    watcher.turn()
