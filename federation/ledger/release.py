"""A release: one act that lets something computed from records leave, and the reservation that permits it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from federation import privacy
from federation.errors import LedgerError, PrivacyError
from federation.ledger import fields
from federation.privacy.event import Event, read_event

Phase = Literal["train", "evaluate", "histogram", "calibrate", "combine", "tune", "monitor", "audit"]
"""What a release is for. Every one of them is charged alike; see docs/ledger.md.

train, evaluate     rounds of a training plan: an update, the one histogram by which members judge the model
histogram           counts of records shown to others outside of a plan: cell shares, base rates
calibrate           a map from scores to probabilities, fitted on records
combine             how several members' scores are combined, fitted on records
tune                a choice among models or settings that records made
monitor             drift and performance of a model in use, shown to others
audit               an audit of the trainer or of a model that uses real records
"""
PHASES: tuple[Phase, ...] = get_args(Phase)
ROUND_PHASES: tuple[Phase, ...] = ("train", "evaluate")  # all that entries of version 2 know
ADJACENCY = "add_or_remove_one"
UNIT = "one record at one institution"
NO_MODEL = "0" * 64
_NAME = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Release:
    """What is about to be computed from records, and under which plan.

    `run_id` names a plan, or what stands for one outside of training: one request of an audit, one histogram. `event`
    is what the accountant sees. `delta` is the plan's. Hashes are 64 lower-case hexadecimal digits: of the document
    that fixed the release (the plan, the request), of the catalogue and of the model that the work starts from or
    looks at (`NO_MODEL` where there is none). `nominal_records` is the public size, never the true.
    `attempt` counts reservations of the same (run, phase, round) from 1; 0 lets the ledger number it.
    Raises LedgerError for a field out of range.
    """

    run_id: str
    phase: Phase
    round: int
    event: Event
    delta: float
    plan_hash: str
    catalogue_hash: str
    model_hash: str
    nominal_records: int
    vintage: str
    family: str
    attempt: int = 0
    adjacency: str = ADJACENCY
    unit: str = UNIT

    def __post_init__(self) -> None:
        for name in ("run_id", "vintage", "family"):
            fields.text(f"release.{name}", getattr(self, name))
        _require(_NAME.fullmatch(self.run_id), "run_id", self.run_id[:128], "1 to 128 printable characters, no space")
        _require(self.phase in PHASES, "phase", str(self.phase)[:40], " or ".join(PHASES))
        fields.whole("release.round", self.round)
        fields.whole("release.attempt", self.attempt)  # 0 for the next
        fields.whole("release.nominal_records", self.nominal_records, least=1)
        _require(0 < self.delta < 1, "delta", self.delta, "in (0, 1)")
        _require(self.adjacency == ADJACENCY, "adjacency", self.adjacency, ADJACENCY)
        _require(self.unit == UNIT, "unit", str(self.unit)[:40], UNIT)
        for name in ("plan_hash", "catalogue_hash", "model_hash"):
            fields.require_hash(f"release.{name}", getattr(self, name))

    @property
    def slot(self) -> Slot:
        """Which release of the plan this is, whatever the attempt."""
        return (self.run_id, self.phase, self.round)

    def numbered(self, attempt: int) -> Release:
        """The same release with its attempt filled in."""
        return replace(self, attempt=attempt)

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "event": self.event.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Release:
        event = read_event(value["event"])
        return cls(**{**value, "event": event, "delta": float(value["delta"])})


Slot = tuple[str, Phase, int]


@dataclass(frozen=True)
class Reservation:
    """The permission to compute `release` once: `id` is the entry's sequence number, `entry_hash` its hash (hex)."""

    id: int
    entry_hash: str
    release: Release


def check_delta(delta: float, nominal_records: int) -> None:
    """Raises LedgerError for a delta above 1 / (10 x nominal records): it would allow to publish somebody outright."""
    try:
        privacy.check_delta(delta, [nominal_records])
    except PrivacyError as error:
        raise LedgerError("release.delta", got=error.got, expected=error.expected) from error


def _require(condition: object, field: str, got: object, expected: str) -> None:
    if not condition:
        raise LedgerError(f"release.{field}", got=got, expected=expected)
