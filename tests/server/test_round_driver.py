"""The round driver over an in-process grid, with real nodes and with liars in front of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rounds_world import (
    COORDINATOR,
    Bank,
    Handler,
    World,
    accepted,
    catalogue,
    key_of,
    make_plan,
    model_size,
    sign,
    statements,
)

from federation.errors import ConfigurationError, FederationError
from federation.ledger import Caps
from federation.oversight.recompute import recompute
from federation.rounds import RunFailed, update_hash, vectors
from federation.rounds.averaging import model_to_bytes
from federation.rounds.request import request_hash
from federation.rounds.rule import rule_of
from federation.runtime.flower.in_process import InProcessGrid
from protocols.envelope import read_envelope, seal
from protocols.signing import SigningKey
from protocols.wire.training_pb2 import Envelope, HelloRequest, Phase, PlanApproval, Refusal, RoundReply
from server.assembly import Pace
from server.oversight.trail import Unlogged
from server.round_driver import RoundDriver


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def is_round(envelope: bytes) -> bool:
    return read_envelope(envelope).kind == "RoundRequest"


def reply_of(data: bytes) -> RoundReply:
    return RoundReply.FromString(read_envelope(data).body)


def changed(name: str, key: SigningKey | None = None, **changes: object) -> Callable[[Handler], Handler]:
    """A node that answers rounds with a changed reply, signed by `key` (its own by default)."""

    def liar(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            answer = honest(envelope)
            if not is_round(envelope):
                return answer
            reply = reply_of(answer)
            for field, value in changes.items():
                setattr(reply, field, value)
            return seal(reply, key or key_of(name))

        return handle

    return liar


def answering(make: Callable[[bytes, bytes], bytes]) -> Callable[[Handler], Handler]:
    """A node whose answer to a round is `make(request, honest answer)`."""

    def liar(honest: Handler) -> Handler:
        return lambda envelope: make(envelope, honest(envelope)) if is_round(envelope) else honest(envelope)

    return liar


def unsigned(_request: bytes, answer: bytes) -> bytes:
    envelope = Envelope.FromString(answer)
    envelope.signature = b""
    return envelope.SerializeToString()


def replaying() -> Callable[[Handler], Handler]:
    """Answers every round with the first round's bytes."""
    first: list[bytes] = []

    def make(_request: bytes, answer: bytes) -> bytes:
        first.append(answer)
        return first[0]

    return answering(make)


def vector(value: float) -> bytes:
    return model_to_bytes(np.full(model_size(), value, dtype=np.float32))


BAD = "bank-b"
HOSTILE: dict[str, tuple[Callable[[], Callable[[Handler], Handler]], str]] = {
    "NaN": (lambda: changed(BAD, update=vector(np.nan)), "not_finite"),
    "infinite": (lambda: changed(BAD, update=vector(np.inf)), "not_finite"),
    "oversized": (lambda: changed(BAD, update=vector(1e6)), "oversized"),
    "float32 at its limit": (lambda: changed(BAD, update=vector(3e38)), "oversized"),
    "too short": (lambda: changed(BAD, update=vector(0.0)[:-4]), "wrong_shape"),
    "too long": (lambda: changed(BAD, update=vector(0.0) + b"\0"), "wrong_shape"),
    "empty": (lambda: changed(BAD, update=b""), "wrong_shape"),
    "unsigned": (lambda: answering(unsigned), "unsigned"),
    "signed by a stranger": (lambda: changed(BAD, key_of("stranger")), "wrongly_signed"),
    "signed by another member": (lambda: changed(BAD, key_of("bank-a")), "wrongly_signed"),
    "in another's name": (lambda: changed(BAD, institution="bank-a"), "wrongly_signed"),
    "wrong round": (lambda: changed(BAD, round=3), "wrong_round"),
    "wrong phase": (lambda: changed(BAD, phase=Phase.PHASE_UNSPECIFIED), "wrong_round"),
    "wrong plan": (lambda: changed(BAD, plan_hash=bytes(32)), "wrong_plan"),
    "wrong model": (lambda: changed(BAD, model_hash=bytes(32)), "wrong_model"),
    "garbage": (lambda: answering(lambda *_: b"\xff" * 40), "unreadable"),
    "another kind": (lambda: answering(lambda r, _: seal(PlanApproval(institution=BAD), key_of(BAD))), "unreadable"),
    "future version": (lambda: answering(lambda r, a: a.replace(b"\x08\x01", b"\x08\x02", 1)), "unreadable"),
    "refusal of another request": (
        lambda: answering(lambda r, _: seal(Refusal(institution=BAD, code="late", request_hash=b"x"), key_of(BAD))),
        "wrong_round",
    ),
}


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


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_reply_is_refused_by_name_and_the_round_goes_on(world: World, kind: str) -> None:
    make, code = HOSTILE[kind]
    world.lie(BAD, make())
    model = world.driver().run()
    rounds = world.of("round")
    assert all(BAD not in event["accepted"] for event in rounds if event["round"] in (1, 2))
    assert {"bank-a", "bank-c"} == set(accepted(world)[1])
    assert rounds[0]["refused"] == {BAD: code}
    assert (BAD, code) in {(event["institution"], event["code"]) for event in world.of("refused")}
    assert np.isfinite(model.vector).all()


def test_unchecked_one_update_that_is_no_number_takes_the_whole_model(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack, with the check of what an update is made of off: everybody's round is lost to one member."""
    monkeypatch.setattr(vectors, "model_from_bytes", lambda data, size: np.frombuffer(data, dtype="<f4"))
    world.lie(BAD, changed(BAD, update=vector(np.nan)))
    with pytest.raises(FederationError):
        world.driver().run()
    assert not [event for event in world.of("refused") if event["institution"] == BAD]
    assert world.store().model() is None


def test_a_replayed_reply_counts_once(world: World) -> None:
    world.lie(BAD, replaying())
    world.driver().run()
    assert accepted(world) == {1: ["bank-a", "bank-b", "bank-c"], 2: ["bank-a", "bank-c"], 3: ["bank-a", "bank-c"]}
    assert world.of("round")[1]["refused"] == {BAD: "wrong_round"}


def test_a_node_that_refuses_is_named_with_its_own_code(world: World) -> None:
    poor = Caps(run=1.0, year=0.0015, lifetime=4.0, delta=1e-5)  # one step of the tests' accountant costs .001
    world.banks[BAD] = Bank(BAD, world.clock, caps=poor)
    world.handlers[11] = world.banks[BAD].node.handle
    world.driver().run()
    assert [event["refused"] for event in world.of("round")[:2]] == [{}, {BAD: "refused:budget_exceeded"}]
    assert world.banks[BAD].computation.computed == 1


def test_everybody_hostile_ends_in_a_typed_failure_after_bounded_attempts(world: World) -> None:
    for name in world.banks:
        world.lie(name, changed(name, update=vector(np.nan)))
    with pytest.raises(RunFailed) as caught:
        world.driver(attempts=2).run()
    assert "bank-a: not_finite" in caught.value.got
    assert [event["attempt"] for event in world.of("round")] == [1, 2]
    assert world.of("failed")
    assert world.store().model() is None


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


def test_two_nodes_of_one_institution_count_once(world: World) -> None:
    world.handlers[99] = world.handlers[10]
    world.driver().run()
    assert accepted(world)[1] == ["bank-a", "bank-b", "bank-c"]
    assert world.of("refused")[0]["code"] == "duplicate"


def test_strangers_are_named_and_never_asked(world: World) -> None:
    asked: list[str] = []

    def stranger(envelope: bytes) -> bytes:
        asked.append(read_envelope(envelope).kind)
        return seal(Refusal(institution="stranger"), key_of("stranger"))

    world.handlers[99] = stranger
    world.driver().run()
    assert set(asked) == {"HelloRequest"}
    assert world.of("refused")[0]["institution"] == "node 99"


@pytest.mark.parametrize("answer", [b"", b"junk", seal(RoundReply(), key_of("bank-a"))])
def test_a_bad_hello_makes_nobody_a_member(world: World, answer: bytes) -> None:
    world.handlers[99] = lambda _envelope: answer
    world.driver().run()
    assert accepted(world)[1] == ["bank-a", "bank-b", "bank-c"]


def test_a_hello_cannot_be_relayed_from_an_earlier_challenge(world: World) -> None:
    first: list[bytes] = []

    def replay(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            first.append(honest(envelope))
            return first[0]

        return handle

    spy = replay(world.handlers[10])
    world.handlers[10] = spy
    spy(seal(HelloRequest(challenge=b"x" * 32), COORDINATOR))
    with pytest.raises(RunFailed):
        world.driver(attempts=1, approval_s=5.0).run()
    assert any(event["code"] == "wrongly_signed" for event in world.of("refused"))


def test_an_approval_that_is_missing_is_named(world: World) -> None:
    del world.handlers[12]
    with pytest.raises(RunFailed, match="bank-c: no answer"):
        world.driver(approval_s=30.0).run()
    assert world.store().signed_plan() is None


def test_an_approval_that_does_not_verify_is_named(world: World) -> None:
    plan_hash = bytes.fromhex(world.plan.hash)
    bad = PlanApproval(institution=BAD, plan_hash=plan_hash, approval=bytes(64))

    def liar(honest: Handler) -> Handler:
        return lambda e: seal(bad, key_of(BAD)) if read_envelope(e).kind == "PlanProposal" else honest(e)

    world.lie(BAD, liar)
    with pytest.raises(RunFailed, match="bank-b: wrongly_signed"):
        world.driver().run()


def test_a_plan_refused_for_good_fails_at_once(world: World) -> None:
    """Although bank-c never answers: whatever it would say, the plan cannot start."""
    del world.handlers[12]

    def strict(honest: Handler) -> Handler:
        def handle(envelope: bytes) -> bytes:
            if read_envelope(envelope).kind != "PlanProposal":
                return honest(envelope)
            told = {"code": "outside_policy", "field": "plan.privacy.epsilon", "got": "20.0", "expected": "at most 3.0"}
            return seal(Refusal(institution=BAD, request_hash=request_hash(envelope), **told), key_of(BAD))

        return handle

    world.lie(BAD, strict)
    start = world.clock()
    with pytest.raises(RunFailed) as caught:
        world.driver(approval_s=600.0).run()
    assert str(caught.value) == (
        "plan refused by bank-b: outside_policy: plan.privacy.epsilon: got 20.0, expected at most 3.0"
    )
    assert world.clock() - start < 30.0
    assert world.of("failed")[0]["got"] == "20.0"


def test_who_is_waited_for_is_told_now_and_then(world: World) -> None:
    del world.handlers[12]
    with pytest.raises(RunFailed):
        world.driver(approval_s=35.0, pace=Pace()).run()
    told = world.of("waiting")
    assert [event["silent"] for event in told] == [["bank-c"]] * 3
    assert [event["undecided"] for event in told] == [[]] * 3
    assert [10 <= event["seconds"] - 10 * i <= 11 for i, event in enumerate(told)] == [True] * 3


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
