"""The round driver over an in-process grid, with real nodes that are honest, crash, or are away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lying_nodes import BAD, answering, reply_of
from rounds_world import (
    COORDINATOR,
    Bank,
    World,
    accepted,
    catalogue,
    key_of,
    make_plan,
    sign,
    statements,
)

from federation.errors import ConfigurationError
from federation.ledger import Caps
from federation.oversight.recompute import recompute
from federation.rounds import update_hash
from federation.rounds.rule import rule_of
from federation.runtime.flower.in_process import InProcessGrid
from server.assembly import Pace
from server.oversight.trail import Unlogged
from server.round_driver import RoundDriver


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_an_honest_run_ends_with_a_model_that_can_be_recomputed(world: World) -> None:
    model = world.driver().run()
    model.verify()
    assert model.institutions == ("bank-a", "bank-b", "bank-c")
    assert [record.round for record in model.checkpoint] == [1, 2, 3]
    sent = [
        reply_of(bank.ledger.stored_reply("spring", "train", record.round, record.model_hash)).update  # type: ignore[arg-type]
        for bank in world.banks.values()
        for record in model.checkpoint
    ]
    updates, checkpoint = {update_hash(data).hex(): data for data in sent}, world.store().checkpoint()
    assert checkpoint is not None
    rule = rule_of(catalogue(), world.plan)
    again = recompute(world.plan, rule, statements(checkpoint), updates.__getitem__, model.hash)
    assert (again.rounds, again.published, again.difference) == (3, True, None)
    evaluation = world.store().evaluation()
    assert evaluation is not None
    evaluation.verify(world.plan)
    assert evaluation.model_hash == model.hash
    assert all(bank.computation.computed == 4 for bank in world.banks.values())


def test_a_node_that_refuses_is_named_with_its_own_code(world: World) -> None:
    poor = Caps(run=1.0, year=0.0015, lifetime=4.0, delta=1e-5)  # one step of the tests' accountant costs .001
    world.banks[BAD] = Bank(BAD, world.clock, caps=poor)
    world.handlers[11] = world.banks[BAD].node.handle
    world.driver().run()
    assert [event["refused"] for event in world.of("round")[:2]] == [{}, {BAD: "refused:budget_exceeded"}]
    assert world.banks[BAD].computation.computed == 1


def test_a_node_that_crashes_costs_its_part_of_the_round_only(world: World) -> None:
    def crash(_request: bytes, _answer: bytes) -> bytes:
        raise RuntimeError("a secret of the bank")

    world.lie(BAD, answering(crash))
    world.driver().run()
    assert world.of("round")[0]["refused"] == {BAD: "transport"}
    assert world.of("transport")[0]["failure"] == "unavailable"
    assert "secret" not in json.dumps(world.events)


def test_without_a_quorum_the_round_is_repeated_and_nobody_computes_twice(world: World) -> None:
    """Two of three are away in the first attempt; in the second all are back and answer with stored bytes."""
    away = {"left": 2}

    def flaky(_request: bytes, answer: bytes) -> bytes:
        if away["left"]:
            away["left"] -= 1
            raise ConnectionError
        return answer

    for name in ("bank-b", "bank-c"):
        world.lie(name, answering(flaky))
    world.driver().run()
    assert [(e["round"], e["attempt"]) for e in world.of("round")] == [(1, 1), (1, 2), (2, 1), (3, 1), (0, 1)]
    assert all(bank.computation.computed == 4 for bank in world.banks.values())
    assert all(bank.ledger.verify().open == 0 for bank in world.banks.values())


class SlowGrid(InProcessGrid):
    """Answers of some nodes arrive `delay` seconds of the fake clock after they were pushed."""

    def __init__(self, world: World, slow: int, delay: float) -> None:
        super().__init__(world.handlers)
        self._world, self._slow, self._delay = world, slow, delay
        self._due: dict[str, float] = {}

    def push_messages(self, messages):  # type: ignore[no-untyped-def]
        messages = list(messages)
        ids = list(super().push_messages(messages))
        for message, id_ in zip(messages, ids, strict=True):
            late = message.metadata.dst_node_id == self._slow and message.metadata.group_id.startswith("train")
            self._due[id_] = self._world.clock() + (self._delay if late else 0.0)
        return ids

    def pull_messages(self, message_ids):  # type: ignore[no-untyped-def]
        return super().pull_messages([id_ for id_ in message_ids if self._due[id_] <= self._world.clock()])


def test_a_late_reply_is_refused_by_name(tmp_path: Path) -> None:
    world = World(tmp_path, plan=make_plan(round_deadline_s=10.0))
    world.driver(SlowGrid(world, slow=11, delay=15.0), pace=Pace(grace=100.0, patience=100.0)).run()
    assert world.of("round")[0]["silent"] == [BAD]
    late = [event for event in world.of("refused") if event["code"] == "late"]
    assert late
    assert late[0]["institution"] == BAD


def test_stragglers_are_waited_for_only_as_long_as_grace(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.driver(SlowGrid(world, slow=11, delay=1000.0), pace=Pace(grace=7.0)).run()
    assert 7 <= world.of("round")[0]["seconds"] < 10


def test_a_member_that_is_away_is_not_waited_for(world: World) -> None:
    world.driver(Leaving(world, 11)).run()
    assert [event["accepted"] for event in world.of("round")[1:]] == [["bank-a", "bank-c"]] * 3
    assert world.of("round")[1]["silent"] == [BAD]
    assert world.of("round")[1]["seconds"] < 2


class Leaving(InProcessGrid):
    """One node leaves after the first round."""

    def __init__(self, world: World, node_id: int) -> None:
        super().__init__(world.handlers)
        self._world, self._leaver = world, node_id

    def get_node_ids(self):  # type: ignore[no-untyped-def]
        gone = bool(self._world.of("averaged"))
        return [id_ for id_ in super().get_node_ids() if not (gone and id_ == self._leaver)]


def test_a_node_that_comes_back_under_another_id_takes_part_again(world: World) -> None:
    class Moving(Leaving):
        def get_node_ids(self):  # type: ignore[no-untyped-def]
            ids = set(super().get_node_ids())
            return ids - {77} if 11 in ids else ids

    grid = Moving(world, 11)
    grid._handlers[77] = world.handlers[11]
    world.driver(grid).run()
    assert accepted(world)[3] == ["bank-a", "bank-b", "bank-c"]


def test_the_driver_needs_the_coordinators_key_and_the_length_of_the_evaluation(world: World) -> None:
    rest = {"trail": Unlogged(), "rule": rule_of(catalogue(), world.plan)}
    with pytest.raises(ConfigurationError, match=r"plan\.coordinator"):
        RoundDriver(InProcessGrid({}), world.plan, world.store(), key_of("stranger"), **rest)
    with pytest.raises(ConfigurationError, match="evaluation_size"):
        RoundDriver(InProcessGrid({}), world.plan, world.store(), COORDINATOR, **rest)


def test_the_folder_of_another_plan_is_refused(world: World) -> None:
    world.store().write("signed_plan.json", sign(make_plan(quorum=1)))
    with pytest.raises(ConfigurationError, match=r"signed_plan\.json"):
        world.driver().run()
