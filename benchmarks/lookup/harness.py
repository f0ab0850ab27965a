"""One run: publish, ask. Every party is a process of its own; this one watches their clocks and compares answers.

Which passes an epoch takes is read off its phases; what a question costs, off the processor clocks of pool, relay and
nodes before and after it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from benchmarks.lookup import member, querier
from benchmarks.lookup.clocks import Clocks, Seconds, whole_cpu
from benchmarks.lookup.deployment import Deployment
from benchmarks.lookup.parties import Party
from benchmarks.lookup.population import Population

SHORTCUT_FROM = 50_000
"""Subjects from which enrolment is cut short, unless --full."""
PUBLISH_S = 1_800.0
_LOOK_S = 0.25
_SAY_S = 10.0
_IDLE_S = 5.0  # long enough for what nodes do every few seconds


def say(text: str) -> None:
    """Progress, to stderr."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


@dataclass
class Phases:
    """Wall seconds of each phase of the epoch, and CPU seconds of the processes that serve meanwhile."""

    deployment: Deployment
    wall_s: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, Seconds] = field(default_factory=dict)
    _phase: str = ""
    _since: float = 0.0
    _before: Seconds = field(default_factory=dict)

    def look(self) -> None:
        """Note what the phase was that has ended; call it often."""
        phase = self.deployment.phase
        if phase == self._phase:
            return
        now, spent = time.monotonic(), {name: whole_cpu(pid) for name, pid in self.deployment.pids.items()}
        if self._phase:
            self.wall_s[self._phase] = now - self._since
            self.cpu_s[self._phase] = {name: spent[name] - self._before.get(name, 0.0) for name in spent}
            say(f"{self._phase}: {self.wall_s[self._phase]:.1f} s")
        self._phase, self._since, self._before = phase, now, spent


def publish(deployment: Deployment, population: Population, *, full: bool) -> tuple[list[member.Passes], Phases]:
    """Every member's process takes part until the epoch is open."""
    shortcut = None
    if not full and population.subjects >= SHORTCUT_FROM:
        homes = tuple(home.path for home in deployment.homes.values())
        shortcut = member.Shortcut(homes, deployment.coordinator.path)
    phases, passes = Phases(deployment), {}
    with ExitStack() as stack:
        waiting = {}
        for number, (name, home) in enumerate(deployment.homes.items()):
            given = member.Publisher(home.path, deployment.model, population, number, shortcut, PUBLISH_S)
            party = stack.enter_context(Party(name, member.run, given))
            waiting[party.channel] = party
        while waiting:
            deployment.supervisor.poll()
            phases.look()
            for channel in wait(list(waiting), _LOOK_S):
                party = waiting[channel]  # type: ignore[index]
                passes[party.name] = party.receive()
                del waiting[party.channel]
    phases.look()
    return [passes[name] for name in population.names], phases


@dataclass
class Asked:
    """How many questions were answered rightly, and what those asked one by one took and cost each process."""

    correct: int = 0
    absent: int = 0
    wrong: list[str] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    costs: list[Seconds] = field(default_factory=list)
    batched: int = 0
    batch_wall_s: float = 0.0
    batch_costs: Seconds = field(default_factory=dict)
    idle: Seconds = field(default_factory=dict)  # a second, of what each process does without any question


class Questions:
    """One member's process that asks; `clocks` are those of the processes that serve, and of its own."""

    def __init__(self, deployment: Deployment, population: Population, party: Party) -> None:
        self._party, self._population = party, population
        self.epoch: querier.Epoch = party.receive()
        self.clocks = Clocks(deployment.pids | {"querier": party.pid})

    def ask(self, indices: Sequence[int], *, singly: int) -> Asked:
        """Ask about all; the first unmeasured, then `singly` one by one, the others as fast as they go in batches."""
        asked = Asked()
        self._compare(asked, indices[:1], self._answers(indices[:1]))
        asked.idle = self._idle()
        for index in indices[1 : 1 + singly]:
            before, started = self.clocks.seconds(), time.monotonic()
            answers = list(self._answers([index]))
            asked.walls.append(time.monotonic() - started)
            asked.costs.append(self.clocks.since(before))
            self._compare(asked, [index], answers)
        if rest := list(indices[1 + singly :]):
            before, started = self.clocks.seconds(), time.monotonic()
            self._compare(asked, rest, self._answers(rest))
            asked.batched, asked.batch_wall_s = len(rest), time.monotonic() - started
            asked.batch_costs = self.clocks.since(before)
        return asked

    def _idle(self) -> Seconds:
        before = self.clocks.seconds()
        time.sleep(_IDLE_S)
        return {name: seconds / _IDLE_S for name, seconds in self.clocks.since(before).items()}

    def read(self, count: int) -> list[querier.Read]:
        """Rows of the pool, with no question behind them."""
        self._party.send(("read", [number * 7 % self.epoch.rows for number in range(count)]))
        return [self._party.receive() for _ in range(count)]

    def load(self, seconds: float) -> dict[str, float]:
        """What the pool's service bears."""
        self._party.send(("load", seconds))
        figures: dict[str, float] = self._party.receive()
        return figures

    def _answers(self, indices: Sequence[int]) -> Iterator[querier.Reading]:
        self._party.send(("ask", list(indices)))
        said = time.monotonic()
        for number in range(len(indices)):
            if time.monotonic() > said + _SAY_S:
                said = time.monotonic()
                say(f"{number} of {len(indices)} answers")
            yield self._party.receive()

    def _compare(self, asked: Asked, indices: Sequence[int], readings: Iterable[querier.Reading]) -> None:
        for index, reading in zip(indices, readings, strict=True):
            expected = self._population.expected(index)
            if reading.found == expected:
                asked.correct += 1
                asked.absent += not any(expected)
            elif len(asked.wrong) < 5:
                asked.wrong.append(reading.reason or f"{reading.found} in place of {expected}")


@contextmanager
def questions(deployment: Deployment, population: Population, home: Path) -> Iterator[Questions]:
    """The querier's process, ready."""
    with Party("querier", querier.run, home) as party:
        yield Questions(deployment, population, party)
        party.send(None)
