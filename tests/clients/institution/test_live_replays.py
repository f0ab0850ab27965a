"""Replays as a node has them, against a real log: what is waited for, what is given up, what is noticed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from logged_member import MemberWorld, member_world
from rounds_world import catalogue, key_of, make_plan, model_size, privacy, records, toy_accountant

from clients.institution.node import Node
from clients.institution.plan_store import PlanStore
from clients.institution.policy import Policy
from clients.institution.replay.draws import keep_draw, open_draws
from clients.institution.replay.evidence import record_tree
from clients.institution.replay.live import LiveReplays
from clients.institution.training import Computation
from federation.errors import Refused
from federation.ledger import Caps, Ledger
from federation.oversight.members import RegulatorStatement
from federation.oversight.replay import BeaconStatement, Draw, Place, ReplayCommitment
from federation.privacy import OsNoise
from federation.rounds import Code, Member, SignedPlan, approve, model_to_bytes
from protocols.envelope import open_envelope, read_envelope, seal
from protocols.errors import ProofError
from protocols.replay import BeaconChain, Stage
from protocols.transparency import (
    Statement,
    WitnessKey,
    attach,
    cosign,
    open_checkpoint,
    read_entry,
    split_note,
)
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


@pytest.fixture
def overseen(tmp_path: Path) -> Iterator[Overseen]:
    with member_world(tmp_path) as world:
        yield Overseen(world)


def test_an_attempt_is_ready_once_its_beacon_is_in_the_log(overseen: Overseen) -> None:
    overseen.replays.prepare(FIRST)
    overseen.turn()
    assert [said.place for said in overseen.commitments()] == [FIRST]
    overseen.turn()
    with pytest.raises(Refused) as refused:
        overseen.replays.ready(FIRST, 0.05)
    assert refused.value.code == Code.NO_BEACON
    overseen.reveal()
    overseen.turn()
    overseen.replays.ready(FIRST, 0.0)
    assert overseen.replays.fits(FIRST)


def test_a_process_that_died_says_the_same_commitment_again(overseen: Overseen) -> None:
    """Between the seed on disk and the log, and after it: one seed, one entry."""
    first = overseen.replays._randomness("train").commit(FIRST)
    for _ in range(2):
        overseen.restart()
        overseen.replays.prepare(FIRST)
        overseen.turn()
    assert overseen.commitments() == [first]


def test_only_the_chain_of_the_regulator_makes_ready(overseen: Overseen) -> None:
    overseen.replays.prepare(FIRST)
    overseen.turn()
    overseen.reveal(index=2)  # skips one: a choice
    overseen.beacons = 0
    overseen.reveal(key=key_of("coordinator"))
    overseen.turn()
    assert overseen.stage() is Stage.COMMITTED
    overseen.beacons = 0
    overseen.reveal()
    overseen.turn()
    assert overseen.stage() is Stage.READY


def test_a_beacon_before_the_commitment_is_not_its_beacon(overseen: Overseen) -> None:
    overseen.reveal()
    overseen.replays.prepare(FIRST)
    overseen.turn()
    overseen.turn()
    assert overseen.stage() is Stage.COMMITTED


def test_a_root_that_the_own_witness_cannot_reach_is_no_beacon(overseen: Overseen) -> None:
    """A regulator and a coordinator that made up a checkpoint: its root is not of the tree that was checked."""
    overseen.replays.prepare(FIRST)
    overseen.turn()
    size = overseen.world.log.store.size()
    made_up = BeaconStatement(size, "ab" * 32, 1, CHAIN.preimage(1).hex())
    overseen.world.log.store.extend([made_up.entry(OVERSEER)])
    note = overseen.world.log.store.checkpoint()
    with overseen.world.client() as log:
        overseen.world.witness().consider(log, note)
    with pytest.raises(Exception, match="consistency"):
        overseen.turn()
    assert overseen.stage() is Stage.COMMITTED


@pytest.mark.parametrize("cosigners", [2, 1], ids=["a quorum", "one of two"])
def test_a_beacon_that_skips_what_a_quorum_cosigned_is_refused(overseen: Overseen, cosigners: int) -> None:
    """Whoever reveals later could choose among checkpoints."""
    overseen.replays.prepare(FIRST)
    overseen.turn()
    host = overseen.world.log.host
    keys = [WitnessKey.from_pem(key.to_pem()) for key in (overseen.world.home.witness_key, key_of("w"))]
    note = host.store.checkpoint()
    text, _ = split_note(note)
    lines = [cosign(text, key, time.time()) for key in keys[:cosigners]]
    assert len(host.cosign(attach(note, lines))) == cosigners
    host.store.append("example", b"{}")
    overseen.reveal()
    if cosigners == 1:
        overseen.turn()
        assert overseen.stage() is Stage.READY
        return
    with pytest.raises(ProofError, match="beacon_not_first"):
        overseen.turn()
    assert overseen.stage() is Stage.COMMITTED


def test_a_seed_that_is_gone_or_of_other_records_is_given_up(overseen: Overseen) -> None:
    overseen.make_ready(FIRST)
    overseen.held = records(6, 400)
    overseen.restart()
    assert not overseen.replays.fits(FIRST)
    for file in (overseen.world.home.path / "replay").iterdir():
        file.unlink()
    overseen.restart()
    overseen.replays.prepare(FIRST)
    overseen.turn()
    overseen.replays.ready(FIRST, 0.0)
    assert not overseen.replays.fits(FIRST)
    assert len(overseen.commitments()) == 1  # no second one


def test_a_draw_of_this_institution_is_noticed_and_its_seed_kept(overseen: Overseen) -> None:
    world = Running(overseen)
    overseen.make_ready(FIRST)
    assert world.ask(1) is None
    deadline = int(NOW * 2)
    for name in ("bank-a", "bank-b"):
        said = Draw(name, "spring", "train", 1, 1, deadline).entry(OVERSEER)
        overseen.world.log.store.extend([said, said])
    for _ in range(2):
        overseen.turn()
        overseen.restart()
    assert [each.draw.institution for each in open_draws(overseen.world.home.path)] == ["bank-a"]
    sealed = overseen.replays._store.require(FIRST)
    assert (sealed.attempt.stage, sealed.until) == (Stage.DRAWN, deadline)


def test_a_draw_of_no_attempt_is_not_waited_for_until_there_is_one(overseen: Overseen) -> None:
    """A slip of the regulator's: another round, or one that was committed to and never begun."""
    home = overseen.world.home.path
    overseen.make_ready(FIRST)
    overseen.unreserved.add(FIRST)
    for place in (FIRST, Place("spring", "train", 99, 1)):
        said = Draw("bank-a", place.run_id, place.phase, place.round, place.attempt, int(NOW * 2)).entry(OVERSEER)
        overseen.world.log.store.extend([said])
        keep_draw(home, said)  # as it was kept before this was told apart
    overseen.turn()
    assert open_draws(home) == ()
    overseen.unreserved.clear()
    overseen.turn()
    assert [each.draw.place for each in open_draws(home)] == [FIRST]


# In a node ----------------------------------------------------------------------------------------------------------


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


def test_without_a_beacon_nothing_is_reserved_and_the_next_round_is_prepared_when_one_is_answered(
    overseen: Overseen,
) -> None:
    running = Running(overseen)
    assert running.ask(1) == Code.NO_BEACON
    assert running.kinds == []
    overseen.make_ready(FIRST)
    assert running.ask(1) is None
    overseen.turn()
    assert [said.place for said in overseen.commitments()] == [FIRST, Place("spring", "train", 2, 1)]
    assert running.ask(1) is None  # the stored bytes; nothing else is spent
    assert running.kinds == ["reserve", "spend"]


def test_where_the_log_names_a_regulator_a_plan_without_replay_is_refused(overseen: Overseen) -> None:
    overseen.turn()
    assert Running(overseen, replay=True).propose() == "PlanApproval"
    assert Running(overseen, replay=False).propose() == "Refusal"


def test_an_attempt_that_cannot_be_used_is_paid_for_and_another_one_follows(overseen: Overseen) -> None:
    running = Running(overseen)
    overseen.make_ready(FIRST)
    overseen.held = records(7, 400)
    overseen.restart()
    running.restart()
    assert running.ask(1) == Code.NO_BEACON
    assert running.kinds == ["reserve", "spend"]
    overseen.make_ready(SECOND)
    assert running.ask(1) is None


def lost_then_asked_with_another_model(overseen: Overseen, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """Spread of two updates' difference beside its noise-free part, and of that part: a node that died in between."""
    running = Running(overseen)
    overseen.make_ready(FIRST)
    seen = []
    honest = Computation.train

    def dying(self: Computation, *arguments: object) -> object:
        seen.append(honest(self, *arguments))  # type: ignore[arg-type]
        raise KeyboardInterrupt  # the process is gone; what it computed is taken to have leaked

    monkeypatch.setattr(Computation, "train", dying)
    with pytest.raises(KeyboardInterrupt):
        running.ask(1, 0.0)
    monkeypatch.setattr(Computation, "train", honest)
    running.ledger.recover()
    overseen.restart()
    running.restart()
    overseen.make_ready(SECOND)
    assert running.ask(1, 0.001) is None
    return float(np.std(seen[0] - running.update)), float(np.std(running.update))


def test_a_round_repeated_with_another_model_gets_other_noise(
    overseen: Overseen, monkeypatch: pytest.MonkeyPatch
) -> None:
    difference, one = lost_then_asked_with_another_model(overseen, monkeypatch)
    assert difference == pytest.approx(one * 2**0.5, rel=0.3)


def test_with_the_first_attempts_noise_its_difference_would_be_bare(
    overseen: Overseen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack, with attempts, models and reservations left out of what noise is drawn from."""
    from federation.privacy.drbg import DrbgNoise

    monkeypatch.setattr(LiveReplays, "noise", lambda *_: DrbgNoise(lambda step: bytes([step]) * 32))
    monkeypatch.setattr(LiveReplays, "seal", lambda *_: None)
    difference, one = lost_then_asked_with_another_model(overseen, monkeypatch)
    assert difference < one / 20
