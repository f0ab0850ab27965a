"""What the verification keeps of replays while it reads the log: attempts, beacons and draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from clients.regulator.line import Line
from federation.oversight.replay import BeaconStatement, Draw
from protocols.transparency import Quorum

Attempt: TypeAlias = tuple[str, str, str, int, int]  # institution, run, phase, round, attempt


@dataclass(slots=True)
class Committed:
    """An attempt that was committed to at `index`; `update_hash`: what was handed out."""

    index: int
    code_digest: str
    update_hash: str = ""


@dataclass(slots=True)
class Reserved:
    """An attempt that was reserved: given up by the ledger, averaged by the round at `averaged`."""

    attempt: Attempt
    given_up: bool = False
    averaged: int | None = None


@dataclass(frozen=True, slots=True)
class Revealed:
    """A beacon, the oldest commitment that waited for it, and who had to cosign then."""

    line: Line
    said: BeaconStatement
    waiting: int | None
    quorum: Quorum | None


@dataclass
class Drawn:
    """A draw, and the first result that names it."""

    line: Line
    said: Draw
    answered: int | None = None

    @property
    def attempt(self) -> Attempt:
        return (self.said.institution, self.said.run_id, self.said.phase, self.said.round, self.said.attempt)


def name_of(attempt: Attempt) -> str:
    institution, run, phase, round, number = attempt
    return f"{run}, {phase} round {round}, attempt {number}, {institution}"
