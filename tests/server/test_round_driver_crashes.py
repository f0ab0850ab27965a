"""The driver dies between any two steps of any write: the next one goes on, and every round is averaged once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rounds_world import NAMES, World, make_plan

from federation.errors import ConfigurationError
from server.checkpoint_store import CheckpointStore


class Killed(BaseException):
    """No handler of the program catches it, like SIGKILL."""


class Reaper:
    """Raises at the `at`-th step of a write."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def __call__(self, _step: str) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Killed


def steps_of_a_run(folder: Path) -> int:
    counter = Reaper(at=-1)
    world = World(folder, plan=make_plan(NAMES[:2]))
    world.driver(store=world.store(counter)).run()
    return counter.steps


def test_killed_at_any_step_of_any_write_the_run_completes_and_no_round_counts_twice(tmp_path: Path) -> None:
    steps = steps_of_a_run(tmp_path / "whole")
    reference = World(tmp_path / "reference", plan=make_plan(NAMES[:2]))
    expected = reference.driver().run()
    assert steps > 40
    for at in range(1, steps + 1):
        world = World(tmp_path / f"killed-{at}", plan=make_plan(NAMES[:2]))
        with pytest.raises(Killed):
            world.driver(store=world.store(Reaper(at))).run()
        model = world.driver().run()
        model.verify()
        assert [record.round for record in model.checkpoint] == [1, 2, 3]
        assert model.vector.tobytes() == expected.vector.tobytes(), "the same answers were averaged once each"
        assert all(bank.computation.computed == 4 for bank in world.banks.values())
        assert world.store().evaluation() is not None


def test_killed_again_and_again_with_nodes_restarting(tmp_path: Path) -> None:
    world = World(tmp_path)
    for at in (7, 9, 11, 13, 5, 17):
        try:
            world.driver(store=world.store(Reaper(at))).run()
        except Killed:
            for number, bank in enumerate(world.banks.values(), start=10):
                bank.restart()
                world.handlers[number] = bank.node.handle
    model = world.driver().run()
    assert [record.round for record in model.checkpoint] == [1, 2, 3]
    assert all(bank.computation.computed == 4 for bank in world.banks.values())
    assert all(bank.ledger.verify().open == 0 for bank in world.banks.values())


def test_a_finished_run_is_published_again_without_asking_anybody(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.driver().run()
    world.handlers.clear()
    assert world.driver().run() == first


def test_a_torn_event_is_closed_and_skipped(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    store.append_event({"event": "one"})
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"event": "to')
    store.append_event({"event": "two"})
    assert [event["event"] for event in store.events()] == ["one", "two"]


def test_a_durable_store_leaves_whole_documents_and_no_temporary_file(tmp_path: Path) -> None:
    world = World(tmp_path)
    store = CheckpointStore(tmp_path, durable=True)
    store.write("plan.json", world.plan)
    assert store.plan() == world.plan
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_damaged_checkpoint_names_its_file(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "checkpoint.json").write_text(json.dumps({"round": 1}, separators=(",", ":")))
    with pytest.raises(ConfigurationError, match=r"checkpoint\.json"):
        world.store().checkpoint()
