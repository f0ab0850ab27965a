"""What the round driver needs of the log, and what it says there of a run.

    trail = LogTrail(log, home.signing_key.public, home.log_key.public)
    trail.begin(signed_plan)                      # the plan is in the log before its first round
    trail.on_record(expected, update)             # True once a quorum cosigned the reservation
    trail.say(statement)

A statement that is said again is the entry that is there already: after a crash the driver says again what it may have
said. `Unlogged` is for back-tests, where one owner's records train in one process and nobody has to be convinced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from federation.oversight.rounds import PLAN
from federation.rounds.reply import Expected, Update
from federation.rounds.signed_plan import SignedPlan
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, VerifierKey
from server.oversight.gate import ReservationGate

if TYPE_CHECKING:
    from server.log import LogStore


class Trail(Protocol):
    """Where a run is said, and where what paid for an update is looked up."""

    def begin(self, plan: SignedPlan) -> None:
        """Say the plan. Before the first question of its first round."""

    def on_record(self, expected: Expected, update: Update) -> bool:
        """Whether a quorum has cosigned what paid for `update`. Raises Refused where that paid for something else."""

    def say(self, entry: Entry) -> None:
        """Durable when it returns."""


class Unlogged:
    """No log: for records of one owner in one process."""

    def begin(self, plan: SignedPlan) -> None:
        """Nobody is told."""

    def on_record(self, expected: Expected, update: Update) -> bool:
        """The ledger itself is at hand."""
        return True

    def say(self, entry: Entry) -> None:
        """Nobody is told."""


class LogTrail:
    """The coordinator's own log. One instance per run: reservations are looked for behind its plan."""

    def __init__(self, log: LogStore, coordinator: VerifyingKey, log_key: VerifierKey) -> None:
        self._log = log
        self._gate = ReservationGate(log, coordinator, log_key)

    def begin(self, plan: SignedPlan) -> None:
        promise = self._log.append(PLAN, plan.canonical())
        self._gate.start(promise.index)

    def on_record(self, expected: Expected, update: Update) -> bool:
        return self._gate.on_record(expected, update)

    def say(self, entry: Entry) -> None:
        self._log.extend([entry])
