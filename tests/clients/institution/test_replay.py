"""A drawn round, computed again: honest ones match to the bit, and whatever production did otherwise is a finding."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from replay_world import LOG_KEY, REGULATOR, ReplayWorld
from rounds_world import COORDINATOR, catalogue, records

from clients.institution.replay import randomness, recompute
from clients.institution.replay.evidence import record_tree
from clients.institution.replay.logged import NOT_FIRST
from clients.institution.training import Computation
from federation.oversight.replay import Draw, Place, ReplayResult
from federation.privacy import OsNoise
from federation.privacy.drbg import DrbgNoise
from protocols.errors import MessageError, ProofError, SignatureError
from protocols.replay import check_opening

FIRST = Place("spring", "train", 1, 1)


@pytest.fixture
def world(tmp_path: Path) -> ReplayWorld:
    return ReplayWorld(tmp_path / "bank-a")


def done(world: ReplayWorld, **noise: object) -> ReplayResult:
    """One round of a bank, drawn and replayed."""
    world.prepare(FIRST)
    world.round(FIRST, **noise)  # type: ignore[arg-type]
    return world.replay(FIRST)


def test_an_honest_round_is_replayed_to_the_bit(world: ReplayWorld) -> None:
    result = done(world)
    assert result.matches
    spent = [e.entry.update_hash for e in world.ledger.entries() if e.entry.update_hash]
    assert [result.update_hash] == spent
    assert ReplayResult.read(result.entry(world.key), world.key.public) == result


def test_a_draw_of_what_was_never_committed_to_or_never_reserved_is_of_no_attempt(world: ReplayWorld) -> None:
    assert not world.replayer().begun(FIRST)
    world.prepare(FIRST)
    assert not world.replayer().begun(FIRST)  # committed to ahead of time
    world.round(FIRST)
    assert world.replayer().begun(FIRST)
    assert not world.replayer().begun(Place("spring", "train", 99, 1))


def test_an_attempt_that_is_under_way_is_not_aborted(world: ReplayWorld) -> None:
    world.prepare(FIRST)
    world.begin(FIRST, world.start())
    assert world.replay(FIRST).findings == (recompute.UNSENT,)


def test_a_replay_takes_at_most_twice_the_round(world: ReplayWorld) -> None:
    world.computation = Computation(catalogue(), records(5, 60_000), records(6), OsNoise())
    world.randomness = randomness.SealedRandomness(
        world.store, "bank-a", records=world.root(), code=recompute_code(world), clock=world.clock
    )
    world.prepare(FIRST)
    before = time.process_time()
    world.round(FIRST)
    round_s = time.process_time() - before
    draw, leaf = world.draw(FIRST)
    replayer = world.replayer()
    replays_s = []
    for _ in range(3):
        before = time.process_time()
        assert replayer.replay(draw, leaf).matches
        replays_s.append(time.process_time() - before)
    assert min(replays_s) <= 2 * round_s + 0.05  # of three: neighbours on the machine slow some of them down


def recompute_code(world: ReplayWorld) -> bytes:
    return world.replayer().code


class Silent(DrbgNoise):
    """Samples as it should and adds no noise."""

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        super().discrete_gaussian(size, sigma)
        return np.zeros(size, dtype=np.int64)


class Halved(DrbgNoise):
    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        return super().discrete_gaussian(size, sigma) // 2


@pytest.mark.parametrize("cheat", [Silent, Halved, None], ids=["no noise", "half of it", "noise of its own"])
def test_a_trainer_that_adds_other_noise_in_production_is_caught(world: ReplayWorld, cheat: type | None) -> None:
    """Row 1: its audits are clean, because they test a clean trainer. Without a replay its ledger shows nothing."""
    world.prepare(FIRST)
    secret, sealed = world.store.secret(FIRST), world.store.require(FIRST)
    if cheat is None:
        noise: object = OsNoise()
    else:
        hashes = {"model_hash": "a" * 64, "plan_hash": "b" * 64}
        context = world.randomness.context(FIRST, **hashes)
        honest = randomness.drawn_noise(secret, sealed.attempt, context)
        noise = cheat(honest._key_of)
    world.round(FIRST, noise=noise)
    result = world.replay(FIRST)
    assert result.findings == (recompute.UPDATE,)
    assert not result.matches


def test_other_records_than_committed_to_are_a_finding(world: ReplayWorld) -> None:
    world.prepare(FIRST)
    world.round(FIRST)
    changed = world.held.codes.copy()
    changed[0, 0] = (changed[0, 0] + 1) % 2
    world.computation = Computation(catalogue(), replace(world.held, codes=changed), records(6), OsNoise())
    assert recompute.RECORDS in world.replay(FIRST).findings


def test_other_code_is_a_finding_that_stands_beside_the_bits(world: ReplayWorld) -> None:
    world.prepare(FIRST)
    world.round(FIRST)
    draw, leaf = world.draw(FIRST)
    result = replace(world.replayer(), code=b"c" * 32).replay(draw, leaf)
    assert result.findings == (recompute.CODE,)
    assert result.update_hash


def test_a_seed_that_is_gone_before_its_time_is_a_finding(world: ReplayWorld) -> None:
    world.prepare(FIRST)
    world.round(FIRST)
    world.store.destroy(FIRST)
    assert world.replay(FIRST).findings == (recompute.SEED,)
    assert world.replay(Place("spring", "train", 3, 1)).findings == (recompute.SEED,)


def test_a_second_commitment_is_no_choice(world: ReplayWorld) -> None:
    """Row 44: two seeds logged, the liked one used. The first in the log is the one that counts."""
    first = world.randomness.commit(FIRST)
    other = replace(first, seed_commitment="0" * 64)
    world.log.append(other.entry(world.key))  # the seed it does not use comes first
    world.log.append(first.entry(world.key))
    world.randomness.learn(FIRST, world.reveal().beacon)
    world.round(FIRST)
    assert recompute.COMMITMENT in world.replay(FIRST).findings


def test_a_beacon_other_than_the_first_is_a_finding(world: ReplayWorld) -> None:
    world.commit(FIRST)
    world.reveal()
    later = world.reveal()  # liked better
    world.randomness.learn(FIRST, later.beacon)
    world.round(FIRST)
    assert recompute.BEACON in world.replay(FIRST).findings


def skipped(world: ReplayWorld) -> None:
    """A quorum cosigned a checkpoint with the commitment; the beacon is for the next."""
    world.commit(FIRST)
    world.log.cosigned()
    world.log.append(Draw("bank-a", "spring", "train", 9, 1, deadline=1).entry(REGULATOR))
    world.randomness.learn(FIRST, world.reveal().beacon)
    world.round(FIRST)


def test_a_beacon_that_skips_the_first_cosigned_checkpoint_is_a_finding(world: ReplayWorld) -> None:
    skipped(world)
    assert world.replay(FIRST).findings == (NOT_FIRST,)


def test_unchecked_a_skipped_checkpoint_is_not_seen(world: ReplayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.log, "first_cosigned", lambda after: b"")
    skipped(world)
    assert world.replay(FIRST).matches


def test_only_the_regulators_draw_in_the_log_is_answered(world: ReplayWorld) -> None:
    done(world)
    seen = world.seen()
    with pytest.raises(MessageError, match="not in the log"):
        seen.draw(b"x" * 32, "bank-a")
    draw = Draw("bank-a", "spring", "train", 1, 1, deadline=1)
    forged = draw.entry(COORDINATOR)
    world.log.append(forged)
    with pytest.raises(MessageError, match="signer"):
        world.seen().draw(forged.hash, "bank-a")
    with pytest.raises(MessageError, match="institution"):
        seen.draw(next(iter(seen.draws)), "bank-b")


def test_a_log_that_shows_what_is_not_in_its_tree_is_refused(
    world: ReplayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(world)
    forged = Draw("bank-a", "spring", "train", 2, 1, deadline=1).entry(REGULATOR)
    honest = world.log.entries
    monkeypatch.setattr(
        world.log,
        "entries",
        lambda kind, start: iter([(1, forged.data)]) if kind == Draw.kind else honest(kind, start),
    )
    with pytest.raises((ProofError, MessageError)):
        world.seen()
    monkeypatch.undo()
    monkeypatch.setattr(world.log, "cosigned", lambda: world.log.checkpoint.note(LOG_KEY))
    with pytest.raises(SignatureError, match="quorum"):
        world.seen()


def test_hundreds_of_entries_are_proved_by_a_few_tiles(world: ReplayWorld) -> None:
    """One proof for each would be a call for each."""
    for number in range(1, 601):
        world.log.append(Draw("bank-b", "spring", "train", number, 1, deadline=1).entry(REGULATOR))
    assert len(world.seen().draws) == 600
    assert world.log.asked <= 4
    world.log.stored[300] = Draw("bank-b", "spring", "train", 999, 1, deadline=1).entry(REGULATOR)
    with pytest.raises(ProofError):
        world.seen()


def test_a_record_opens_under_the_root_that_was_committed_to(world: ReplayWorld) -> None:
    """What the regulator does beside the core system: root and blinding first, then a record."""
    world.commit(FIRST)
    tree = record_tree(world.held, world.home / "keys")
    secret, commitment = world.store.secret(FIRST), world.store.require(FIRST).commitment
    assert secret.hide(tree.root).hex() == commitment.record_root
    assert world.held.target is not None
    record = bytes(4) + world.held.codes[7].tobytes() + world.held.target[7:8].tobytes()
    check_opening(tree.root, tree.size, 7, record, tree.opening(7))
