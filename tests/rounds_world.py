"""A small federation for tests: real catalogue, real nodes, real ledgers, a clock that only moves when told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from clients.institution.masking import Masking, MaskMemory
from clients.institution.node import Node
from clients.institution.oversight.trail import Trail
from clients.institution.partners import bare
from clients.institution.plan_store import PlanStore
from clients.institution.policy import Policy
from clients.institution.training import Computation
from federation.catalogue import Catalogue, load_catalogue
from federation.evaluation import EvaluationSpec
from federation.ledger import Caps, Ledger
from federation.oversight.rounds import Averaged, RoundStatement
from federation.privacy import PrivacyPlan, SeededNoise
from federation.records.encoded import Encoded
from federation.rounds import CatalogueRef, Checkpoint, Member, SignedPlan, TrainingPlan, approve, model_hash
from federation.rounds.rule import rule_of
from federation.runtime.flower.in_process import InProcessGrid
from federation.runtime.pki import key_fingerprint
from federation.training import Recipe, initial_parameters
from federation.training.recipe import noise_of
from protocols.signing import SigningKey
from server.assembly import Pace
from server.checkpoint_store import CheckpointStore
from server.oversight.trail import Unlogged
from server.round_driver import RoundDriver

NAMES = ("bank-a", "bank-b", "bank-c")
BUNDLE = "ab" * 32
START = 1_900_000_000.0
Handler = Callable[[bytes], bytes]


class Clock:
    """Unix time (s); `sleep` is what moves it."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)


def toy_accountant(events: Any, _delta: float, _order: int | None = None) -> Any:
    """A thousandth of epsilon a step: the ledger's own tests use the real accountants."""
    total = sum(event.steps for event in events) / 1000
    return SimpleNamespace(pld=total, prv=total, rdp=total)


@cache
def catalogue() -> Catalogue:
    return load_catalogue("australian")


@cache
def key_of(name: str) -> SigningKey:
    return SigningKey.from_seed(name.encode().ljust(32, b"."))


def fingerprint(name: str) -> str:
    """What a person there reads out, and a person here accepts."""
    return bare(key_fingerprint(key_of(name).public))


COORDINATOR = key_of("coordinator")


@cache
def privacy() -> PrivacyPlan:
    """Three rounds of one full-batch step, one spare, one evaluation: comfortably within epsilon 1."""
    return PrivacyPlan(
        epsilon=1.0,
        delta=1e-5,
        sampler="full",
        sampling_rate=1.0,
        noise_multiplier=30.0,
        clip=0.5,
        steps_per_round=1,
        rounds=3,
        spare_rounds=1,
        evaluation_multiplier=30.0,
    )


def member(name: str, nominal: int = 500) -> Member:
    features = tuple(feature.name for feature in catalogue().features)
    return Member(institution=name, key=key_of(name).public.hex, nominal_records=nominal, features=features)


def make_plan(names: tuple[str, ...] = NAMES, **changes: Any) -> TrainingPlan:
    values: dict[str, Any] = {
        "run_id": "spring",
        "catalogue": CatalogueRef(name=catalogue().name, version=catalogue().version, hash=catalogue().hash),
        "recipe": Recipe(learning_rate=0.5, average_last=2),
        "privacy": privacy(),
        "members": tuple(member(name) for name in names),
        "coordinator": COORDINATOR.public.hex,
        "quorum": max(1, len(names) - 1),
        "round_deadline_s": 60.0,
        "bundle_hash": BUNDLE,
        "max_update_norm": 1000.0,
        "expires": int(START) + 86_400,
    }
    values |= changes
    values["privacy"] = values["privacy"].model_copy(update={"distribution": noise_of(values["recipe"].family)})
    return TrainingPlan(**values)


def sign(plan: TrainingPlan) -> SignedPlan:
    approvals = {m.institution: approve(plan, key_of(m.institution)) for m in plan.members}
    return SignedPlan.sign(plan, approvals, COORDINATOR)


def records(seed: int, count: int = 40) -> Encoded:
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, feature.n_cells, count) for feature in catalogue().features]
    protected = {p.name: rng.integers(0, len(p.groups), count).astype(np.uint8) for p in catalogue().protected}
    return Encoded(np.stack(codes, axis=1).astype(np.uint8), rng.integers(0, 2, count).astype(np.uint8), protected)


def model_size() -> int:
    return int(initial_parameters(catalogue(), Recipe(learning_rate=0.5)).size)


def evaluation_size() -> int:
    return EvaluationSpec.from_catalogue(catalogue()).size


class CountingComputation(Computation):
    """Counts how often records were really touched."""

    computed = 0

    def train(self, *args: Any) -> Any:
        self.computed += 1
        return super().train(*args)

    def evaluate(self, *args: Any) -> Any:
        self.computed += 1
        return super().evaluate(*args)


@dataclass
class Bank:
    """A node with everything behind it within reach of a test."""

    name: str
    clock: Clock
    policy: Policy = field(default_factory=lambda: Policy(500, lambda: frozenset({BUNDLE})))
    trail: Trail | None = None
    caps: Caps = field(default_factory=lambda: Caps(run=1.0, year=2.0, lifetime=4.0, delta=1e-5))
    partners: frozenset[str] = field(default_factory=lambda: frozenset(map(fingerprint, (*NAMES, "bank-d"))))

    def __post_init__(self) -> None:
        seed = sum(self.name.encode())
        self.ledger = Ledger.in_memory(
            institution=self.name,
            key=key_of(self.name),
            caps=self.caps,
            clock=self.clock.utc,
            accountant=toy_accountant,
        )
        self.computation = CountingComputation(catalogue(), records(seed), records(seed + 1), SeededNoise(seed))
        self.plans, self.masks = PlanStore.open("sqlite://"), MaskMemory()
        self.restart()

    def restart(self) -> None:
        """A new process on the same database."""
        self.ledger.recover()
        self.node = Node(
            self.name,
            key_of(self.name),
            COORDINATOR.public,
            ledger=self.ledger,
            computation=self.computation,
            policy=self.policy,
            plans=self.plans,
            trail=self.trail,
            masking=Masking(self.name, key_of(self.name), self.masks, os.urandom, lambda: self.partners),
            clock=self.clock,
            backtest=True,
        )

    def kinds(self) -> list[str]:
        """The kinds of the ledger's entries, oldest first."""
        return [str(signed.entry.kind) for signed in self.ledger.entries()]

    def refusals(self) -> list[str]:
        """The codes of the recorded refusals, oldest first."""
        return [signed.entry.refusal.code for signed in self.ledger.entries() if signed.entry.refusal]


@dataclass
class World:
    """Banks, a plan and a run folder; `handlers` may put a liar in front of a bank."""

    folder: Path
    plan: TrainingPlan = field(default_factory=make_plan)
    clock: Clock = field(default_factory=Clock)
    pace: Pace = field(default_factory=lambda: replace(Pace.at_once(), poll=1.0))

    def __post_init__(self) -> None:
        self.banks = {m.institution: Bank(m.institution, self.clock) for m in self.plan.members}
        self.handlers: dict[int, Handler] = {
            number: bank.node.handle for number, bank in enumerate(self.banks.values(), start=10)
        }
        self.events: list[dict[str, Any]] = []

    def lie(self, name: str, liar: Callable[[Handler], Handler]) -> None:
        """Put `liar` between the coordinator and the node of `name`."""
        number = 10 + list(self.banks).index(name)
        self.handlers[number] = liar(self.handlers[number])

    def store(self, after: Callable[[str], None] | None = None) -> CheckpointStore:
        return CheckpointStore(self.folder, durable=False, **({"after": after} if after else {}))

    def driver(self, grid: Any = None, store: CheckpointStore | None = None, **options: Any) -> RoundDriver:
        return RoundDriver(
            grid or InProcessGrid(self.handlers),
            self.plan,
            store or self.store(),
            COORDINATOR,
            evaluation_size=evaluation_size(),
            clock=self.clock,
            sleep=self.clock.sleep,
            on_event=self.events.append,
            **{"pace": self.pace, "trail": Unlogged(), "rule": rule_of(catalogue(), self.plan), **options},
        )

    def of(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.events if entry["event"] == event]


def new_world(**options: Any) -> World:
    return World(Path(tempfile.mkdtemp(prefix="fedscore-rounds-")), **options)


def accepted(world: World) -> Mapping[int, list[str]]:
    """{round: who was averaged}, from the round events."""
    return {event["round"]: event["accepted"] for event in world.of("round") if event["phase"] == "train"}


def statements(checkpoint: Checkpoint) -> dict[int, RoundStatement]:
    """What an honest coordinator says of each round; an update of nobody's ledger is paid for by any entry."""
    models = [*(record.model_hash for record in checkpoint.rounds), model_hash(checkpoint.model_bytes).hex()]
    said = {}
    for record, result in zip(checkpoint.rounds, models[1:], strict=True):
        averaged = {
            name: Averaged(update, record.reservations[name] or "cd" * 32) for name, update in record.updates.items()
        }
        said[record.round] = RoundStatement(
            "spring", checkpoint.plan_hash, "train", record.round, record.model_hash, averaged, result
        )
    return said
