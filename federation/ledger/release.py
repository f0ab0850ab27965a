"""A release: one act that lets something computed from records leave, and the reservation that permits it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from federation.errors import LedgerError
from federation.privacy.event import GaussianEvent

Phase = Literal["train", "evaluate"]
PHASES: tuple[Phase, ...] = ("train", "evaluate")
ADJACENCY = "add_or_remove_one"
UNIT = "one record at one institution"
_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(frozen=True)
class Release:
    """What is about to be computed from records, and under which plan.

    `event` is what the accountant sees. `delta` is the plan's. Hashes are 64 lower-case hexadecimal digits: of the
    plan, of the catalogue and of the model the work starts from. `nominal_records` is the public size, never the true.
    `attempt` counts reservations of the same (run, phase, round) from 1; 0 lets the ledger number it.
    Raises LedgerError for a field out of range.
    """

    run_id: str
    phase: Phase
    round: int
    event: GaussianEvent
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
        _require(_NAME.fullmatch(self.run_id), "run_id", self.run_id[:128], "1 to 128 printable characters, no space")
        _require(self.phase in PHASES, "phase", self.phase, "train or evaluate")
        _require(self.round >= 0, "round", self.round, "at least 0")
        _require(self.attempt >= 0, "attempt", self.attempt, "at least 1, or 0 for the next")
        _require(0 < self.delta < 1, "delta", self.delta, "in (0, 1)")
        _require(self.nominal_records >= 1, "nominal_records", self.nominal_records, "at least 1")
        _require(self.adjacency == ADJACENCY, "adjacency", self.adjacency, ADJACENCY)
        for name in ("plan_hash", "catalogue_hash", "model_hash"):
            require_hash(f"release.{name}", getattr(self, name))

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
        event = GaussianEvent.from_json(value["event"])
        return cls(**{**value, "event": event, "delta": float(value["delta"])})


Slot = tuple[str, Phase, int]


@dataclass(frozen=True)
class Reservation:
    """The permission to compute `release` once: `id` is the entry's sequence number, `entry_hash` its hash (hex)."""

    id: int
    entry_hash: str
    release: Release


def require_hash(field: str, value: str) -> None:
    """Raises LedgerError unless `value` is a SHA-256 in lower-case hexadecimal."""
    if not _HASH.fullmatch(value):
        raise LedgerError(field, got=value[:70], expected="64 hexadecimal digits")


def _require(condition: object, field: str, got: object, expected: str) -> None:
    if not condition:
        raise LedgerError(f"release.{field}", got=got, expected=expected)
