"""Whatever dies, the log gets each statement of a run once."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from membership_world import make_coordinator
from rounds_world import COORDINATOR
from trail_world import LOG_KEY, LoggedWorld

from federation.errors import ConfigurationError
from federation.oversight.rounds import Publication, RoundStatement
from protocols.transparency import Entry, Statement, read_entry
from server.checkpoint_store import CheckpointStore
from server.log import LogStore
from server.oversight.cards import say_card
from server.oversight.trail import LogTrail


class Killed(BaseException):
    """The process is gone: nothing catches it."""


@pytest.mark.parametrize(
    ("step", "times"),
    [
        ("round.json: folder synced", 2),
        ("checkpoint.json: synced", 2),
        ("checkpoint.json: folder synced", 3),
        ("model.json: folder synced", 1),
        ("evaluation.json: renamed", 1),
        ("said", 3),
    ],
)
def test_a_driver_that_dies_says_each_statement_once(tmp_path: Path, step: str, times: int) -> None:
    """Killed around a statement, or when it was said and the driver had not heard; the next driver finishes the run."""
    world = LoggedWorld(tmp_path)
    left = times

    def die(at: str) -> None:
        nonlocal left
        left -= at == step
        if left == 0:
            raise Killed

    class Dying(LogTrail):
        def say(self, entry: Entry) -> None:
            super().say(entry)
            die("said")

    trail = Dying(world.log, COORDINATOR.public, LOG_KEY.public)
    with pytest.raises(Killed):
        world.world.driver(store=world.world.store(die), trail=trail).run()
    world.world.driver(trail=world.trail()).run()
    said = [RoundStatement.from_json(Statement.read(entry).content) for entry in world.entries("round")]
    slots = [("spring", "train", 1), ("spring", "train", 2), ("spring", "train", 3), ("spring", "evaluate", 0)]
    assert Counter(each.slot for each in said) == Counter(slots)
    assert [len(world.entries(kind)) for kind in ("plan", "model", "evaluation")] == [1, 1, 1]


def test_a_publication_names_the_bytes_of_the_file(tmp_path: Path) -> None:
    world = LoggedWorld(tmp_path)
    model = world.world.driver(trail=world.trail()).run()
    for kind in ("model", "evaluation"):
        said = Publication.from_json(Statement.read(world.entries(kind)[0]).content)
        file = (world.world.folder / f"{kind}.json").read_bytes()
        assert said.document_hash == hashlib.sha256(file).hexdigest()
        assert said.model_hash == model.hash


def test_the_card_is_said_once(tmp_path: Path) -> None:
    home = make_coordinator(tmp_path / "c", port=20_000)
    world = LoggedWorld(tmp_path)
    with pytest.raises(ConfigurationError, match="no model"):
        say_card(home, "spring")
    model = world.world.driver(store=CheckpointStore(home.run("spring")), trail=world.trail()).run()
    (home.run("spring") / "card.json").write_text("{}")
    say_card(home, "spring")
    say_card(home, "spring")
    log = LogStore.open(home.database_url, home.log_key, world.world.clock)
    [(_, data)] = log.entries(0, 10).entries
    said = Publication.from_json(Statement.read(read_entry(data)).content)
    assert (said.model_hash, said.card_hash) == (model.hash, hashlib.sha256(b"{}").hexdigest())


def test_a_round_that_was_not_final_is_not_said(tmp_path: Path) -> None:
    """Killed between round.json and the checkpoint: that attempt is forgotten, the round is asked again."""
    world = LoggedWorld(tmp_path)

    def die(step: str) -> None:
        if step == "checkpoint.json: begin":
            raise Killed

    with pytest.raises(Killed):
        world.world.driver(store=world.world.store(die), trail=world.trail()).run()
    assert (world.world.folder / "round.json").exists()
    assert world.entries("round") == []
    world.world.handlers[12] = lambda data: b"away"
    world.world.driver(trail=world.trail()).run()
    said = RoundStatement.from_json(Statement.read(world.entries("round")[0]).content)
    assert sorted(said.updates) == ["bank-a", "bank-b"]
