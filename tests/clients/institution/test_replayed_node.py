"""A node under a plan that says `replay`: which rounds it answers, and with whose noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from logged_member import member_world
from overseen_replays import FIRST, SECOND, Overseen, Running
from rounds_world import records

from clients.institution.replay.live import LiveReplays
from clients.institution.training import Computation
from federation.oversight.replay import Place
from federation.rounds import Code


@pytest.fixture
def overseen(tmp_path: Path) -> Iterator[Overseen]:
    with member_world(tmp_path) as world:
        yield Overseen(world)


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
