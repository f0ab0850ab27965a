"""A home whose log names a regulator: commitments, beacons and draws come and go as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from logged_member import MemberWorld
from rounds_world import catalogue, key_of, make_plan, model_size, privacy, records, toy_accountant

from clients.institution.node import Node
from clients.institution.plan_store import PlanStore
from clients.institution.policy import Policy
from clients.institution.replay.evidence import record_tree
from clients.institution.replay.live import LiveReplays
from clients.institution.training import Computation
from federation.ledger import Caps, Ledger
from federation.oversight.members import RegulatorStatement
from federation.oversight.replay import BeaconStatement, Place, ReplayCommitment
from federation.privacy import OsNoise
from federation.rounds import Member, SignedPlan, approve, model_to_bytes
from protocols.envelope import open_envelope, read_envelope, seal
from protocols.replay import BeaconChain, Stage
from protocols.transparency import Statement, open_checkpoint, read_entry
from protocols.wire.training_pb2 import Phase, PlanProposal, Refusal, RoundReply, RoundRequest

OVERSEER, CHAIN = key_of("overseer"), BeaconChain(b"\x07" * 32, 20)


FIRST, SECOND = Place("spring", "train", 1, 1), Place("spring", "train", 1, 2)


NOW = 1_900_000_000.0


@dataclass
class Overseen:
    """bank-a with a witness of its own, and a regulator that reveals when it is told to."""

    world: MemberWorld
    beacons: int = 0
    held: object = field(default_factory=lambda: records(5, 400))
    unreserved: set[Place] = field(default_factory=set)

    def __post_init__(self) -> None:
        coordinator = self.world.coordinator.home.signing_key
        anchor = CHAIN.anchor.hex()
        said = RegulatorStatement("authority", OVERSEER.public.hex, key_of("w").public.hex, anchor, 20)
        self.world.log.store.extend([said.entry(coordinator)])
        self.coordinator = coordinator
        self.restart()

    def restart(self) -> None:
        """Another process on the same home."""
        tree = record_tree(self.held, self.world.home.keys)  # type: ignore[arg-type]
        self.replays = LiveReplays(self.world.home, lambda _: tree.root, lambda place: place not in self.unreserved)

    def turn(self) -> None:
        with self.world.client() as log:
            self.replays.turn(log)

    def reveal(self, index: int | None = None, key: object = OVERSEER) -> None:
        """A beacon for the log as it stands, which the home's witness has checked."""
        store = self.world.log.store
        note = store.checkpoint()
        with self.world.client() as log:
            self.world.witness().consider(log, note)
        point, self.beacons = open_checkpoint(note, self.world.log_key), self.beacons + 1
        number = index or self.beacons
        said = BeaconStatement(point.size, point.root.hex(), number, CHAIN.preimage(number).hex())
        store.extend([said.entry(key)])  # type: ignore[arg-type]

    def make_ready(self, place: Place) -> None:
        self.replays.prepare(place)
        self.turn()
        self.reveal()
        self.turn()

    def commitments(self) -> list[ReplayCommitment]:
        entries = self.world.log.store.entries(0, 1000, ReplayCommitment.kind).entries
        return [ReplayCommitment.from_json(Statement.read(read_entry(data)).content) for _, data in entries]

    def stage(self, place: Place = FIRST) -> Stage:
        return self.replays._store.require(place).attempt.stage


class Running:
    """A node of bank-a with a plan that says `replay`."""

    def __init__(self, overseen: Overseen, *, replay: bool = True) -> None:
        self.overseen, key = overseen, overseen.world.home.signing_key
        caps = Caps(run=1.0, year=2.0, lifetime=4.0, delta=1e-5)
        self.ledger = Ledger.in_memory(institution="bank-a", key=key, caps=caps, accountant=toy_accountant)
        self.computation = Computation(catalogue(), overseen.held, records(6), OsNoise())  # type: ignore[arg-type]
        self.plans = PlanStore.open("sqlite://")
        named = Member.model_validate({**member_values(), "key": key.public.hex}, strict=False)
        coordinator = overseen.coordinator
        self.plan = make_plan(
            ("bank-a",),
            members=(named,),
            coordinator=coordinator.public.hex,
            replay=replay,
            quorum=1,
            privacy=privacy().model_copy(update={"sampler": "poisson", "sampling_rate": 0.5}),
        )
        self.signed = SignedPlan.sign(self.plan, {"bank-a": approve(self.plan, key)}, coordinator)
        self.restart()

    def restart(self) -> None:
        home = self.overseen.world.home
        self.node = Node(
            "bank-a",
            home.signing_key,
            self.overseen.coordinator.public,
            ledger=self.ledger,
            computation=self.computation,
            policy=Policy(500, lambda: frozenset({self.plan.bundle_hash})),
            plans=self.plans,
            replays=self.overseen.replays,
            clock=lambda: NOW,
            backtest=True,
        )

    def propose(self) -> str:
        return read_envelope(self.node.handle(seal(PlanProposal(plan=self.plan.canonical()), self._key))).kind

    @property
    def _key(self):  # type: ignore[no-untyped-def]
        return self.overseen.coordinator

    def ask(self, round: int, value: float = 0.0) -> str | None:
        """The code of the refusal; None for an answer, which `update` then is."""
        self.propose()
        request = RoundRequest(
            signed_plan=self.signed.canonical(),
            plan_hash=bytes.fromhex(self.plan.hash),
            phase=Phase.TRAIN,
            round=round,
            model=model_to_bytes(np.full(model_size(), value, dtype=np.float32)),
            deadline_ms=int((NOW + 0.2) * 1000),
        )
        answer = self.node.handle(seal(request, self._key))
        public = self.overseen.world.home.signing_key.public
        if read_envelope(answer).kind == "Refusal":
            return open_envelope(answer, Refusal, public).code
        self.update = np.frombuffer(open_envelope(answer, RoundReply, public).update, dtype="<f4")
        return None

    @property
    def kinds(self) -> list[str]:
        return [str(signed.entry.kind) for signed in self.ledger.entries()]


def member_values() -> dict[str, object]:
    features = tuple(feature.name for feature in catalogue().features)
    return {"institution": "bank-a", "nominal_records": 500, "features": features}
