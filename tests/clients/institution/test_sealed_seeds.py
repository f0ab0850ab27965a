"""Sealed seeds: kept as long as they may be drawn, bound to their attempt, and gone afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from replay_world import ReplayWorld

from clients.institution.replay.sealed_store import KEY_FILE
from federation.errors import ConfigurationError
from federation.oversight.replay import Place
from protocols.errors import StageError
from protocols.replay import Stage

FIRST = Place("spring", "train", 1, 1)


@pytest.fixture
def world(tmp_path: Path) -> ReplayWorld:
    return ReplayWorld(tmp_path / "bank-a")


def test_a_draw_keeps_the_seed_until_its_deadline(world: ReplayWorld) -> None:
    world.prepare(FIRST)
    world.round(FIRST)
    world.replay(FIRST)
    draw, _ = world.draw(FIRST)
    world.replayer().hold(draw)
    assert world.store.expire(world.clock.now + 1001) == ()
    assert world.store.require(FIRST).attempt.stage is Stage.DRAWN
    assert world.store.expire(world.clock.now + 5001) == (FIRST,)


# What lies on the disk ----------------------------------------------------------------------------------------------


def test_a_seed_is_encrypted_bound_to_its_attempt_and_owner_only(world: ReplayWorld) -> None:
    places = [FIRST, Place("spring", "train", 2, 1)]
    for place in places:
        world.commit(place)
    folder = world.home / "replay"
    files = sorted(folder.glob("*.seed"))
    secrets_ = [world.store.secret(place) for place in places]
    for file in folder.iterdir():
        data = file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0
        for secret in secrets_:
            assert secret.seed not in data
            assert secret.seed.hex().encode() not in data
    first, second = (file.read_bytes() for file in files)
    files[0].write_bytes(second)
    files[1].write_bytes(first)
    for place in places:
        with pytest.raises(ConfigurationError, match="open"):
            world.store.secret(place)


def test_another_key_opens_nothing(world: ReplayWorld) -> None:
    world.commit(FIRST)
    (world.home / "keys" / KEY_FILE).unlink()
    with pytest.raises(ConfigurationError, match="open"):
        type(world.store).open(world.home).secret(FIRST)


def test_a_destroyed_seed_was_overwritten_before_it_went(world: ReplayWorld) -> None:
    world.commit(FIRST)
    (file,) = (world.home / "replay").glob("*.seed")
    os.link(file, world.home / "copy")  # the same blocks under another name
    before = (world.home / "copy").read_bytes()
    assert world.store.expire(world.clock.now + 999) == ()
    assert world.store.expire(world.clock.now + 1001) == (FIRST,)
    assert not list((world.home / "replay").glob("*.seed"))
    assert (world.home / "copy").read_bytes() != before
    with pytest.raises(StageError, match="destroyed"):
        world.store.secret(FIRST)
    assert world.store.expire(world.clock.now + 2000) == ()


def test_a_state_that_cannot_be_read_is_named(world: ReplayWorld) -> None:
    world.commit(FIRST)
    (file,) = (world.home / "replay").glob("*.json")
    file.write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match=r"\.json"):
        world.store.get(FIRST)
