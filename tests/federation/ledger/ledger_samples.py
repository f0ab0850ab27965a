"""What the ledger's tests share: a key, caps, a clock, an accountant that adds, children that spend until killed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

from federation.errors import BudgetExceeded
from federation.ledger import Caps, Ledger, Release
from federation.privacy.event import GaussianEvent
from protocols.canonical import digest
from protocols.signing import SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))
INSTITUTION = "bank-a"
CAPS = Caps(run=10.0, year=20.0, lifetime=30.0, delta=1e-5)
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Sums:
    """Epsilons of an accountant that only adds."""

    pld: float
    prv: float
    rdp: float


def adding(events: Sequence[GaussianEvent], delta: float, order: int | None = None) -> Sums:
    """steps / noise_multiplier, summed: monotone, exact in small integers, and fast."""
    total = sum(event.steps / event.noise_multiplier for event in events)
    return Sums(total, total * 1.01, total if order else total * 1.1)


class SettableClock:
    """A clock that moves a second whenever it is read, and wherever the test sets it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def event(cost: int = 1) -> GaussianEvent:
    """An event of epsilon `cost` under `adding`."""
    return GaussianEvent(sampling_rate=1.0, noise_multiplier=1.0, steps=cost)


def release(round: int = 1, run_id: str = "run-1", cost: int = 1, **changes: object) -> Release:
    values: dict[str, object] = {
        "run_id": run_id,
        "phase": "train",
        "round": round,
        "event": event(cost),
        "delta": 1e-5,
        "plan_hash": "a" * 64,
        "catalogue_hash": "b" * 64,
        "model_hash": model_hash(round),
        "nominal_records": 1000,
        "vintage": "2025Q1",
        "family": "additive",
    }
    return Release(**{**values, **changes})  # type: ignore[arg-type]


def model_hash(round: int) -> str:
    return digest("test/model", str(round).encode()).hex()


def update_hash(round: int) -> str:
    return digest("test/update", str(round).encode()).hex()


def open_ledger(
    url: str, caps: Caps = CAPS, clock: SettableClock | None = None, key: SigningKey = KEY, *, recover: bool = True
) -> Ledger:
    return Ledger.open(
        url,
        institution=INSTITUTION,
        key=key,
        caps=caps,
        clock=clock or SettableClock(),
        accountant=adding,
        recover=recover,
    )


def memory_ledger(caps: Caps = CAPS, clock: SettableClock | None = None) -> Ledger:
    return open_ledger("sqlite://", caps, clock)


def answer(ledger: Ledger, wanted: Release) -> bytes:
    """Reserve, and spend with a reply that names the round."""
    reply = f"{wanted.run_id}:{wanted.round}".encode()
    ledger.spend(ledger.reserve(wanted), update_hash(wanted.round), reply)
    return reply


def spend_until_killed(url: str, run_id: str, released: str, caps: Caps, hasty: bool = False) -> None:
    """A child process: answer round after round, note each one in the file `released` once it may leave.

    A `hasty` one notes it before.
    """
    ledger = open_ledger(url, caps)
    log = os.open(released, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    round = 0
    while True:
        round += 1
        if hasty:
            os.write(log, f"{run_id} {round}\n".encode())
        answer(ledger, release(round, run_id))
        if not hasty:
            os.write(log, f"{run_id} {round}\n".encode())


def race_for_budget(url: str, run_id: str, granted: str, caps: Caps, start: Barrier) -> None:
    """A child process: open, wait for the others, then reserve until a cap stops it; write how often it was let."""
    ledger = open_ledger(url, caps)
    start.wait(60)
    count = 0
    try:
        while True:
            count += 1
            ledger.reserve(release(count, run_id))
    except BudgetExceeded:
        with Path(granted).open("a") as file:
            file.write(f"{count - 1}\n")
