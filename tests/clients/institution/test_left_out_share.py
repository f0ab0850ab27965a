"""A share of noise that is left out: by the trainer, which an audit sees; by production alone, which a replay sees."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from masked_world import TRIO, coarsen, masked_plan
from numpy.typing import NDArray
from replay_world import ReplayWorld
from rounds_world import catalogue, key_of

from benchmarks.audits.sum_faults import PLANTED
from clients.institution.audits import subject_of
from clients.institution.masking import Masking, MaskMemory
from clients.institution.replay import Replayer, recompute
from clients.institution.training import Computation
from federation.audits import KINDS, Check, SumSubject, audit
from federation.oversight.replay import Place
from federation.privacy import OsNoise
from federation.privacy.drbg import DrbgNoise
from federation.rounds import TrainingPlan, model_hash, model_to_bytes, update_hash
from federation.rounds.averaging import F32
from federation.rounds.masking import mask_number
from federation.rounds.rule import rule_of
from federation.rounds.vectors import to_bytes

FIRST = Place("spring", "train", 1, 1)
Cheat = Callable[[DrbgNoise], DrbgNoise]


def masking_of(plan: TrainingPlan) -> Masking:
    """Of bank-a, after the set-up with the others."""
    members = {name: Masking(name, key_of(name), MaskMemory(), os.urandom) for name in TRIO}
    adverts = {name: member.advert(plan) for name, member in members.items()}
    members["bank-a"].share(plan, adverts)
    return members["bank-a"]


@dataclass
class MaskedReplayWorld(ReplayWorld):
    """bank-a of three that share their noise; what it sends is under masks."""

    plan: TrainingPlan = field(default_factory=masked_plan)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.masking = masking_of(self.plan)

    def start(self) -> F32:
        return rule_of(catalogue(), self.plan).initial()

    def masked_round(self, place: Place, cheat: Cheat) -> None:
        """As a node does it, but for what `cheat` makes of the noise."""
        model = self.start()
        noise = cheat(self.begin(place, model))
        update = self.computation.train(self.plan, 500, place.round, model, noise)
        number, told = mask_number(self.plan, place.phase, place.round), model_hash(model_to_bytes(model))
        form = self.computation.masked_form(self.plan, place.phase, place.round)
        words = form.words("bank-a", update.astype(np.int64))
        masked = self.masking.mask(self.plan, number, words, told)
        self.word_bytes = masked.itemsize
        sent = update_hash(to_bytes(masked)).hex()
        self.ledger.spend(self.reservation, sent, model_to_bytes(model))
        self.randomness.seal(place, sent)

    def replayer(self) -> Replayer:
        return replace(super().replayer(), masking=self.masking)


class Silent(DrbgNoise):
    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        return 0 * super().discrete_gaussian(size, sigma)


class Halved(DrbgNoise):
    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        return super().discrete_gaussian(size, sigma) // 2


@pytest.mark.parametrize(
    ("cheat", "findings"),
    [
        (lambda noise: noise, ()),
        (lambda noise: Silent(noise._key_of), (recompute.UPDATE,)),
        (lambda noise: Halved(noise._key_of), (recompute.UPDATE,)),
    ],
    ids=["honest", "no share", "half of it"],
)
def test_production_that_leaves_its_share_out_is_caught_by_a_replay(
    tmp_path: Path, cheat: Cheat, findings: tuple[str, ...]
) -> None:
    """Under masks nobody can see it in a round: what was sent looks like noise either way."""
    world = MaskedReplayWorld(tmp_path / "bank-a")
    world.prepare(FIRST)
    world.masked_round(FIRST, cheat)
    assert world.replay(FIRST).findings == findings


def test_a_replay_of_words_of_4_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    coarsen(monkeypatch)
    world = MaskedReplayWorld(tmp_path / "bank-a")
    world.prepare(FIRST)
    world.masked_round(FIRST, lambda noise: noise)
    assert world.word_bytes == 4
    assert world.replay(FIRST).findings == ()


def test_a_replay_of_what_could_not_have_been_sent_ends_in_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = MaskedReplayWorld(tmp_path / "bank-a")
    world.prepare(FIRST)
    world.masked_round(FIRST, lambda noise: noise)
    train = Computation.train
    monkeypatch.setattr(Computation, "train", lambda *about: train(*about) + 2**60)
    assert world.replay(FIRST).findings == (recompute.UPDATE,)


def subject() -> SumSubject:
    made = subject_of(catalogue(), masked_plan(), "bank-a", OsNoise())
    assert isinstance(made, SumSubject)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_audits_of_the_trainer_that_such_an_institution_presents_are_clean(kind: str) -> None:
    """They are of the same plan; what production drew from instead is not in the trainer."""
    assert audit(subject(), kind, bytes(32)).passed  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", ["noise omitted", "noise / 2"])
def test_a_trainer_that_leaves_its_share_out_is_caught_by_the_contract(fault: str) -> None:
    report = audit(PLANTED[fault](subject()), "contract", bytes(32))
    assert f"{Check.NOISE_SCALE}, mains" in {finding.name for finding in report.findings if not finding.passed}
    assert not audit(PLANTED[fault](replace(subject())), "canary", bytes(32)).passed
