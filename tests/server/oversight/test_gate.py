"""Only what the log shows is averaged: whose reservation is missing, not cosigned, or for something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from rounds_world import NAMES, Handler, key_of
from trail_world import COORDINATOR, LOG_KEY, LoggedWorld, cosigned

from federation.errors import Refused
from federation.ledger.entries import Kind, SignedEntry, sign_entry
from federation.oversight.handover import HANDOVER, hand_over
from federation.oversight.members import MemberStatement, RegulatorStatement
from federation.oversight.reservations import logged, read_logged, verify_logged
from federation.oversight.rounds import RoundStatement
from federation.rounds import RunFailed, SignedPlan
from protocols.envelope import read_envelope, seal
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.transparency import Entry, Statement, read_entry
from protocols.wire.training_pb2 import RoundReply
from server.log import LogStore
from server.log.log_store import Page
from server.oversight.gate import ReservationGate
from server.oversight.trail import Unlogged


@pytest.fixture
def logged_world(tmp_path: Path) -> LoggedWorld:
    return LoggedWorld(tmp_path)


def accepted(world: LoggedWorld) -> list[list[str]]:
    return [event["accepted"] for event in world.world.of("round")]


def refused(world: LoggedWorld) -> dict[str, str]:
    return {name: code for event in world.world.of("round") for name, code in event["refused"].items()}


def test_an_honest_run_is_in_the_log_from_plan_to_evaluation(logged_world: LoggedWorld) -> None:
    world = logged_world
    model = world.world.driver(trail=world.trail()).run()
    assert accepted(world) == [list(NAMES)] * 4
    [plan] = world.entries("plan")
    assert SignedPlan.read(plan.body).plan.hash == model.plan.hash
    rounds = [RoundStatement.from_json(Statement.read(entry).content) for entry in world.entries("round")]
    assert [(said.phase, said.round) for said in rounds] == [("train", 1), ("train", 2), ("train", 3), ("evaluate", 0)]
    for said, record, following in zip(rounds, model.checkpoint, [*rounds[1:3], None], strict=False):
        assert {name: update.update_hash for name, update in said.updates.items()} == record.updates
        assert said.model_hash == record.model_hash
        assert following is None or said.result_hash == following.model_hash
    reservations = {read_logged(entry).hash for entry in world.entries("ledger-entry")}
    assert all(u.reservation_hash in reservations for said in rounds for u in said.updates.values())
    assert len(world.entries("model")) == len(world.entries("evaluation")) == 1


def test_an_update_whose_reservation_is_not_logged_is_not_averaged(logged_world: LoggedWorld) -> None:
    """The attack: a member trains without telling anybody that it spent."""
    world = logged_world
    world.trails["bank-a"].honest = False
    model = world.world.driver(trail=world.trail()).run()
    assert refused(world) == {"bank-a": "unlogged"}
    assert model.institutions == ("bank-b", "bank-c")
    assert not [e for e in world.entries("ledger-entry") if read_logged(e).entry.institution == "bank-a"]
    said = RoundStatement.from_json(Statement.read(world.entries("round")[0]).content)
    assert said.refused == {"bank-a": "unlogged"}


def test_with_the_gate_off_the_attack_succeeds(logged_world: LoggedWorld) -> None:
    world = logged_world
    world.trails["bank-a"].honest = False
    model = world.world.driver(trail=Unlogged()).run()
    assert "bank-a" in model.institutions


def test_a_reservation_that_no_quorum_cosigned_is_not_averaged(logged_world: LoggedWorld) -> None:
    """One of three witnesses is no quorum: the log could show it one history and the others another."""
    world = logged_world
    for trail in world.trails.values():
        trail.witnesses = ("bank-a",)
    with pytest.raises(RunFailed, match="unlogged"):
        world.world.driver(trail=world.trail()).run()
    assert world.world.of("averaged") == []
    assert refused(world) == dict.fromkeys(NAMES, "unlogged")


def test_an_update_waits_for_the_witnesses(logged_world: LoggedWorld) -> None:
    """Logged at once, cosigned while the driver waits: the same attempt, the same answers."""
    world = logged_world
    for trail in world.trails.values():
        trail.witnesses = ()
    polls, advance = 0, world.world.clock.sleep

    def sleep(seconds: float) -> None:
        nonlocal polls
        polls += 1
        advance(seconds)
        if polls % 5 == 0:
            cosigned(world.log, "bank-a", "bank-c", now=world.world.clock())

    world.world.clock.sleep = sleep  # type: ignore[method-assign]
    model = world.world.driver(trail=world.trail()).run()
    assert polls >= 5
    assert [event["attempt"] for event in world.world.of("round")] == [1] * 4
    assert model.institutions == NAMES


def paid_with(other: Callable[[RoundReply], bytes]) -> Callable[[Handler], Handler]:
    """A member that names another reservation under its own signature."""

    def liar(handle: Handler) -> Handler:
        def answer(data: bytes) -> bytes:
            envelope = read_envelope(handle(data))
            if envelope.kind != "RoundReply":
                return envelope.SerializeToString(deterministic=True)
            reply = RoundReply.FromString(envelope.body)
            reply.reservation_hash = other(reply)
            return seal(reply, key_of("bank-a"))

        return answer

    return liar


def test_one_reservation_does_not_pay_for_two_rounds(logged_world: LoggedWorld) -> None:
    first: list[bytes] = []

    def always_the_first(reply: RoundReply) -> bytes:
        first.append(reply.reservation_hash)
        return first[0]

    logged_world.world.lie("bank-a", paid_with(always_the_first))
    model = logged_world.world.driver(trail=logged_world.trail()).run()
    assert refused(logged_world) == {"bank-a": "wrong_reservation"}
    assert [sorted(record.updates) for record in model.checkpoint] == [list(NAMES), *[["bank-b", "bank-c"]] * 2]


def test_nobody_pays_with_anothers_reservation(logged_world: LoggedWorld) -> None:
    def of_bank_b(_reply: RoundReply) -> bytes:
        entries = logged_world.world.banks["bank-b"].ledger.entries()
        reserved = [signed.hash for signed in entries if signed.entry.kind == "reserve"]
        return bytes.fromhex(reserved[-1]) if reserved else bytes(32)

    logged_world.world.lie("bank-a", paid_with(of_bank_b))
    model = logged_world.world.driver(trail=logged_world.trail()).run()
    assert set(refused(logged_world)) == {"bank-a"}
    assert model.institutions == ("bank-b", "bank-c")


def test_a_logged_entry_is_read_as_it_was_signed(logged_world: LoggedWorld) -> None:
    logged_world.world.driver(trail=logged_world.trail()).run()
    signed = logged_world.world.banks["bank-a"].ledger.entries()[0]
    entry = logged(signed)
    assert read_logged(read_entry(entry.data)) == signed
    verify_logged(signed, "bank-a", key_of("bank-a").public)
    with pytest.raises(SignatureError):
        verify_logged(signed, "bank-a", key_of("bank-b").public)
    with pytest.raises(SignatureError):
        verify_logged(signed, "bank-b", key_of("bank-a").public)
    changed, empty = entry.body.replace(b'"round":1', b'"round":2'), b'{"entry":{},"hash":"","signature":""}'
    for body in (changed, empty, b"{}", b"[]"):
        with pytest.raises((MessageError, ProtocolError, Refused)):
            read_logged(Entry("ledger-entry", body))


def rewriting(world: LoggedWorld, lie: Callable[[list[SignedEntry]], list[SignedEntry]]) -> None:
    """bank-a logs what `lie` makes of its new entries; everybody cosigns that."""
    trail = world.trails["bank-a"]

    def settle() -> None:
        assert trail.bank is not None
        entries = list(trail.bank.ledger.entries(trail.said))
        if entries:
            world.log.extend([logged(signed) for signed in lie(entries)])
            trail.said = entries[-1].entry.sequence
            cosigned(world.log, *NAMES)

    trail.settle = trail.begin = settle  # type: ignore[method-assign]


def test_a_reservation_beside_the_chain_pays_for_nothing(
    logged_world: LoggedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bank-a leaves entries of its ledger out: the log has its reservations, in no order that could be verified."""
    rewriting(logged_world, lambda entries: [signed for signed in entries if signed.entry.kind is Kind.RESERVE])
    logged_world.world.driver(trail=logged_world.trail()).run()
    assert refused(logged_world) == {"bank-a": "unlogged"}
    unchecked = LoggedWorld(logged_world.folder / "unchecked")
    rewriting(unchecked, lambda entries: [signed for signed in entries if signed.entry.kind is Kind.RESERVE])
    monkeypatch.setattr(ReservationGate, "_is_next", lambda *_: True)
    unchecked.world.driver(trail=unchecked.trail()).run()
    assert refused(unchecked) == {}


def test_a_reservation_that_its_ledger_gave_up_pays_for_nothing(logged_world: LoggedWorld) -> None:
    """The log says that the work failed, and the update is there all the same."""

    def failed(entries: list[SignedEntry]) -> list[SignedEntry]:
        return [
            sign_entry(replace(signed.entry, update_hash=None, error="internal"), key_of("bank-a"))
            if signed.entry.kind is Kind.SPEND
            else signed
            for signed in entries
        ]

    rewriting(logged_world, failed)
    logged_world.world.driver(trail=logged_world.trail()).run()
    first, *_ = logged_world.world.of("round")
    assert first["refused"] == {"bank-a": "wrong_reservation"}


class Landing:
    """The coordinator's log, into which `landing` comes once its handovers were read for the first time."""

    def __init__(self, log: LogStore, *landing: Entry) -> None:
        self._log, self._landing = log, landing

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    def entries(self, start: int, count: int, kind: str | None = None) -> Page:
        page = self._log.entries(start, count, kind)
        if kind == HANDOVER and self._landing:
            self._log.extend(self._landing)
            self._landing = ()
        return page


REGULATED = RegulatorStatement("authority", key_of("authority").public.hex, key_of("old").public.hex, "33" * 32, 9)
LATE = MemberStatement("bank-z", key_of("bank-z").public.hex, key_of("new").public.hex, 1000, "admitted")


def test_a_handover_is_folded_before_what_follows_it(logged_world: LoggedWorld) -> None:
    """It lands while the gate reads, and behind it a member that claims the heir's key: known before, it forbids it."""
    log = logged_world.log
    log.extend([REGULATED.entry(COORDINATOR)])
    landing = hand_over(COORDINATOR.public, key_of("old"), key_of("new")), LATE.entry(COORDINATOR)
    gate = ReservationGate(cast(LogStore, Landing(log, *landing)), COORDINATOR.public, LOG_KEY.public)
    for _ in range(2):
        gate._cosigned()
    assert gate._roster.holder(key_of("old").public.hex) == key_of("new").public.hex
    assert gate._roster.members.keys() == {*NAMES, "bank-z"}


def test_what_the_gate_refuses_it_does_not_pass_over(logged_world: LoggedWorld) -> None:
    """Behind a statement that nobody may make, what the log says is known to no reader."""
    logged_world.log.extend([LATE.entry(key_of("bank-a"))])
    gate = ReservationGate(logged_world.log, COORDINATOR.public, LOG_KEY.public)
    for _ in range(2):
        with pytest.raises(SignatureError, match=r"member\.signer"):
            gate._cosigned()
