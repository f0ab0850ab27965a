"""Production under a regulator, in real processes: beta adds no noise, alpha's node dies between all the steps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from faulty_node import STEPS
from flower_deployment import until
from replayed_world import ReplayedWorld, replayed
from test_flower_rounds import Training

from clients.institution.audits import keep, run_audit
from clients.institution.replay.draws import open_draws
from clients.regulator.home import RegulatorHome
from clients.regulator.mirror import MirrorStore
from clients.regulator.watch.thorough import trail_of, verify_copy
from federation.audits import KINDS
from federation.ledger import Kind, read_ledger
from federation.ledger.entries import SignedEntry
from federation.oversight.replay import BeaconStatement, Place, ReplayCommitment, ReplayResult
from federation.oversight.reservations import read_logged
from federation.oversight.rounds import RoundStatement
from federation.rounds import TrainingPlan
from protocols.signing import VerifyingKey
from protocols.transparency import Statement, open_checkpoint, read_entry
from server.checkpoint_store import CheckpointStore

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(600)]
RUN, ROUNDS = "drawn", 4


@dataclass
class Done:
    """The world after its run; deployment and watch go on."""

    world: ReplayedWorld
    training: Training
    plan: TrainingPlan

    def ledger(self, name: str) -> tuple[SignedEntry, ...]:
        home = self.world.homes[name]
        return read_ledger(home.database_url, institution=name, key=home.signing_key.public).entries

    def commitments(self, name: str) -> dict[Place, int]:
        """Place of the first commitment to each attempt."""
        key: VerifyingKey = self.world.homes[name].signing_key.public
        found: dict[Place, int] = {}
        for index, data in self.world.logged(ReplayCommitment.kind):
            entry = read_entry(data)
            if Statement.read(entry).signer == key:
                found.setdefault(ReplayCommitment.read(entry, key).place, index)
        return found

    def answered(self, name: str) -> dict[Place, str]:
        """Attempts of which an update was handed out, with its hash."""
        spends = [s.entry for s in self.ledger(name) if s.entry.update_hash and s.entry.release]
        return {place_of(each): each.update_hash or "" for each in spends}

    def verdict(self) -> dict[int, list[str]]:
        """Number of each step that fails, and what it says; once the regulator's copy has all there is."""
        regulator = self.world.regulator
        store = MirrorStore.open(regulator.database_url)
        entries = max(index for kind in ("ledger-entry", "round", "replay-result") for index, _ in self.logged(kind))
        until(lambda: covered(regulator, store) > entries, 150, "the copy has all of it, under a quorum")
        folder = regulator.documents / "runs" / RUN
        names = ("model.json", "evaluation.json")
        until(lambda: all((folder / name).exists() for name in names), 150, "the documents came")
        verdict = verify_copy(regulator, store, time.time())
        store.close()
        return {step.number: [str(finding) for finding in step.findings] for step in verdict.steps if step.findings}

    def logged(self, kind: str) -> list[tuple[int, bytes]]:
        return self.world.logged(kind) or [(-1, b"")]


def covered(home: RegulatorHome, store: MirrorStore) -> int:
    """Entries under the newest checkpoint of the copy that a quorum cosigned."""
    return 0 if store.newest() is None else open_checkpoint(trail_of(home, store).checkpoint, home.policy.log).size


def place_of(entry: object) -> Place:
    release = entry.release  # type: ignore[attr-defined]
    return Place(release.run_id, release.phase, release.round, release.attempt)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    faults = {"alpha": [*STEPS], "beta": ["silent"]}
    with replayed(tmp_path_factory.mktemp("replayed"), faults) as world:
        training = world.train(RUN, ROUNDS)
        plan = CheckpointStore(world.coordinator.run(RUN)).plan()
        assert plan is not None
        yield Done(world, training, plan)


def test_the_run_completes_through_a_death_at_every_step(done: Done) -> None:
    """Killed after each of commit, log, beacon, reserve, use, compute, spend: nothing is lost but what was paid for."""
    assert done.training.error is None
    assert done.training.model is not None
    assert done.plan.replay
    alpha = done.world.homes["alpha"].path
    assert {each.name for each in alpha.glob("died-*")} == {f"died-{step}" for step in STEPS}
    unknown = [s.entry for s in done.ledger("alpha") if s.entry.kind is Kind.UNKNOWN]
    assert len(unknown) == 3  # reserved, used, computed: charged, and another attempt


def test_every_reservation_was_committed_to_and_its_beacon_came_before(done: Done) -> None:
    beacons = [(i, BeaconStatement.from_json(Statement.read(read_entry(d)).content)) for i, d in done.logged("beacon")]
    places = {read_logged(read_entry(data)).hash: index for index, data in done.logged("ledger-entry")}
    for name in done.world.homes:
        committed = done.commitments(name)
        reserved = [s for s in done.ledger(name) if s.entry.kind is Kind.RESERVE]
        assert len(reserved) >= ROUNDS + 1
        for signed in reserved:
            position = committed[place_of(signed.entry)]
            revealed = next(index for index, said in beacons if said.size > position)
            assert position < revealed < places[signed.hash]


def test_rounds_were_averaged_from_answered_attempts_alone(done: Done) -> None:
    said = [RoundStatement.from_json(Statement.read(read_entry(data)).content) for _, data in done.logged("round")]
    assert [each.round for each in said] == [*range(1, ROUNDS + 1), 0]
    for name in done.world.homes:
        answered = done.answered(name)
        assert len(answered) == ROUNDS + 1
        assert [each.updates[name].update_hash for each in said] == list(answered.values())


def test_attempts_that_were_lost_stay_visible_and_can_be_drawn(done: Done) -> None:
    lost = {place_of(s.entry) for s in done.ledger("alpha") if s.entry.kind is Kind.UNKNOWN}
    assert lost <= done.commitments("alpha").keys()
    assert not lost & done.answered("alpha").keys()
    used = [place for place in lost if done.world.sealed("alpha", place).attempt.model_hash]
    assert len(used) == 2  # the one that died between reservation and use drew nothing
    place = used[0]
    leaf = done.world.draw("alpha", RUN, place.round, place.attempt)
    result = done.world.replay("alpha", leaf, "--keep")
    assert result["findings"] == ["attempt_aborted"]


def test_what_the_honest_institution_sent_is_replayed_to_the_bit(done: Done) -> None:
    """Among it rounds that were asked again after a death; and the evaluation, which is drawn alike."""
    answered = done.answered("alpha")
    again = next(place for place in answered if place.attempt > 1)
    evaluation = next(place for place in answered if place.phase == "evaluate")
    for place in (again, evaluation):
        leaf = done.world.draw("alpha", RUN, place.round, place.attempt, place.phase)
        status = done.world.status("alpha")
        assert leaf in status["drawn"]
        result = done.world.replay("alpha", leaf)
        assert result["findings"] == []
        assert result["update_hash"] == answered[place]
        assert leaf not in {each.leaf for each in open_draws(done.world.homes["alpha"].path)}


def test_no_noise_in_production_passes_everything_but_the_replay(done: Done) -> None:
    """Row 1: audits test the trainer that is presented. Ledger, log and rounds agree; one drawn round does not."""
    world, beta = done.world, done.world.homes["beta"]
    audited = [run_audit(beta, done.plan, kind, bytes(32)) for kind in KINDS]
    assert [result.passed for result in audited] == [True, True, True]
    for path in [keep(beta, result) for result in audited]:
        until(path.with_suffix(".promise").exists, 150, "the node has handed the result in")
    assert done.verdict() == {}
    place = next(place for place in done.answered("beta") if place.phase == "train" and place.round == 2)
    result = world.replay("beta", world.draw("beta", RUN, 2, place.attempt))
    assert result["findings"] == ["update_differs"]
    said = [ReplayResult.from_json(Statement.read(read_entry(d)).content) for _, d in done.logged("replay-result")]
    assert [each.findings for each in said if each.institution == "beta"] == [("update_differs",)]
    failed = done.verdict()
    assert list(failed) == [9], json.dumps(failed, indent=1)
    assert all("update_differs" in text and "beta" in text for text in failed[9])
