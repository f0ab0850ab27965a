"""A bank whose rounds can be replayed, a log of real entries, notes and cosignatures, and a regulator with a chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rounds_world import COORDINATOR, START, Clock, catalogue, key_of, make_plan, privacy, records, toy_accountant

from clients.institution.replay import Replayer, SealedRandomness, SealedStore
from clients.institution.replay.evidence import logged_attempt, record_tree, running_code
from clients.institution.replay.logged import LoggedReplays
from clients.institution.training import Computation
from federation.ledger import Caps, Ledger, Release
from federation.oversight.members import MemberStatement, RegulatorStatement
from federation.oversight.replay import BeaconStatement, Draw, Place, ReplayResult
from federation.privacy import NoiseSource, OsNoise
from federation.privacy.drbg import DrbgNoise
from federation.records.encoded import Encoded
from federation.rounds import TrainingPlan, model_hash, model_to_bytes, update_hash
from federation.rounds.averaging import F32
from federation.training import Recipe, initial_parameters
from protocols.replay import BeaconChain
from protocols.transparency import Checkpoint, Entry, Tile, WitnessKey, attach, cosign, split_note
from protocols.transparency.merkle import Frontier
from protocols.transparency.note import LogKey

REGULATOR = key_of("regulator")
LOG_KEY = LogKey.from_seed("log.example", b"l" * 32)
WITNESS, OVERSEER = (WitnessKey.from_seed("", letter * 32) for letter in (b"w", b"o"))
CHAIN = BeaconChain(b"\x05" * 32, 20)
RECIPE = Recipe(learning_rate=9.75)


def plan() -> TrainingPlan:
    """Three rounds of three Poisson-sampled steps."""
    sampled = privacy().model_copy(update={"sampler": "poisson", "sampling_rate": 0.5, "steps_per_round": 3})
    return make_plan(("bank-a",), recipe=RECIPE, privacy=sampled, quorum=1)


class Log:
    """RFC 6962 over real entries; its newest checkpoint is always cosigned by both witnesses."""

    def __init__(self) -> None:
        self.stored: list[Entry] = []
        self.asked = 0  # tiles
        self.notes: dict[int, bytes] = {}  # of the sizes at which a quorum met
        self._frontier, self._nodes = Frontier(), dict[tuple[int, int], bytes]()

    def append(self, entry: Entry) -> int:
        self._frontier, nodes = self._frontier.append(entry.hash)
        self._nodes |= {(level, index): node for level, index, node in nodes}
        self.stored.append(entry)
        return len(self.stored) - 1

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(LOG_KEY.name, len(self.stored), self._frontier.root)

    def cosigned(self) -> bytes:
        note = self.checkpoint.note(LOG_KEY)
        text, _ = split_note(note)
        whole = attach(note, [cosign(text, key, int(START)) for key in (WITNESS, OVERSEER)])
        return self.notes.setdefault(len(self.stored), whole)

    def first_cosigned(self, after: int) -> bytes:
        return next((self.notes[size] for size in sorted(self.notes) if size > after), b"")

    def tile(self, tile: Tile) -> bytes:
        self.asked += 1
        return b"".join(self._nodes[tile.height, tile.first + at] for at in range(tile.width))

    def entries(self, kind: str, start: int) -> Iterator[tuple[int, bytes]]:
        return ((at, e.data) for at, e in enumerate(self.stored) if at >= start and e.kind == kind)


@dataclass
class ReplayWorld:
    """`home` is a folder; `held` the records of training."""

    home: Path
    held: Encoded = field(default_factory=lambda: records(5, 400))
    plan: TrainingPlan = field(default_factory=plan)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        (self.home / "keys").mkdir(mode=0o700, parents=True)
        self.key, self.log, self.beacons = key_of("bank-a"), Log(), 0
        self.ledger = self.new_ledger()
        self.store = SealedStore.open(self.home)
        self.computation = Computation(catalogue(), self.held, records(6), OsNoise())
        self.randomness = SealedRandomness(
            self.store, "bank-a", records=self.root(), code=running_code(), window_s=1000.0, clock=self.clock
        )
        witness = (WITNESS.public.key.hex, OVERSEER.public.key.hex)
        anchor = CHAIN.anchor.hex()
        self.log.append(
            RegulatorStatement("authority", REGULATOR.public.hex, witness[1], anchor, 20).entry(COORDINATOR)
        )
        member = MemberStatement("bank-a", self.key.public.hex, witness[0], 500, "admitted")
        self.log.append(member.entry(COORDINATOR))

    def new_ledger(self) -> Ledger:
        caps = Caps(1.0, 2.0, 4.0, 1e-5)
        return Ledger.in_memory(
            institution="bank-a", key=self.key, caps=caps, clock=self.clock.utc, accountant=toy_accountant
        )

    def root(self) -> bytes:
        return record_tree(self.computation.training_records, self.home / "keys").root

    def start(self) -> F32:
        size = initial_parameters(catalogue(), RECIPE).size
        return np.random.default_rng(2).normal(0, 1, size).astype(np.float32)

    def commit(self, place: Place) -> int:
        """Commit and log it; its position."""
        return self.log.append(self.randomness.commit(place).entry(self.key))

    def reveal(self) -> BeaconStatement:
        """The regulator's next beacon, for the log's newest checkpoint."""
        self.beacons += 1
        self.log.cosigned()
        point = self.log.checkpoint
        said = BeaconStatement(point.size, point.root.hex(), self.beacons, CHAIN.preimage(self.beacons).hex())
        self.log.append(said.entry(REGULATOR))
        return said

    def prepare(self, place: Place) -> None:
        self.commit(place)
        self.randomness.learn(place, self.reveal().beacon)

    def reserve(self, place: Place, model: F32) -> tuple[str, int]:
        """(hash of the reserve entry, its number)."""
        held = self.ledger.reserve(
            Release(
                run_id=place.run_id,
                phase=place.phase,
                round=place.round,
                event=self.plan.privacy.round_event(),
                delta=1e-5,
                plan_hash=self.plan.hash,
                catalogue_hash=catalogue().hash,
                model_hash=model_hash(model_to_bytes(model)).hex(),
                nominal_records=500,
                vintage="2025Q1",
                family="additive",
            )
        )
        self.reservation = held
        return held.entry_hash, held.id

    def begin(self, place: Place, model: F32) -> DrbgNoise:
        """Reserve, and use the attempt: its noise."""
        reservation, _ = self.reserve(place, model)
        hashed = model_hash(model_to_bytes(model)).hex()
        context = self.randomness.context(place, model_hash=hashed, plan_hash=self.plan.hash)
        return self.randomness.noise(context, model_to_bytes(model), reservation)

    def round(self, place: Place, *, noise: NoiseSource | None = None) -> F32:
        """As a node does it: reserve, use, compute, spend, seal. `noise`: what a cheat draws from instead."""
        model = self.start()
        drawn = self.begin(place, model)
        update = self.computation.train(self.plan, 500, place.round, model, noise or drawn)
        sent = update_hash(model_to_bytes(update)).hex()
        self.ledger.spend(self.reservation, sent, b"stored reply")
        self.randomness.seal(place, sent)
        return update

    def draw(self, place: Place) -> tuple[Draw, bytes]:
        said = Draw("bank-a", place.run_id, place.phase, place.round, place.attempt, deadline=int(START) + 5000)
        entry = said.entry(REGULATOR)
        self.log.append(entry)
        return said, entry.hash

    def seen(self) -> LoggedReplays:
        return LoggedReplays.read(self.log, LOG_KEY.public, COORDINATOR.public, START)

    def replayer(self) -> Replayer:
        seen, entries, key = self.seen(), self.ledger.entries(), self.key.public
        return Replayer(
            store=self.store,
            computation=self.computation,
            records=self.root(),
            code=running_code(),
            plan_of={self.plan.hash: self.plan}.get,
            logged=lambda place: logged_attempt(entries, place),
            committed=lambda place: seen.committed(key, place),
            beacon_of=lambda place: seen.beacon_of(key, place),
            is_first=lambda place: seen.is_first(self.log, key, place),
        )

    def replay(self, place: Place) -> ReplayResult:
        _, leaf = self.draw(place)
        return self.replayer().replay(self.seen().draw(leaf, "bank-a"), leaf)
