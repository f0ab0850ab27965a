"""The institution's node against bytes that are no requests, and against its own failures."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from node_requests import approved, broken, model, proposal, refusal, round_request
from rounds_world import (
    COORDINATOR,
    Bank,
    Clock,
    key_of,
    make_plan,
)

from clients.institution.node import Node
from clients.institution.oversight.trail import Unlogged
from federation.errors import ConfigurationError
from federation.privacy import OsNoise
from federation.rounds import Code
from protocols.envelope import MAX_BYTES, open_envelope, read_envelope, seal, verify_envelope
from protocols.wire.training_pb2 import (
    HelloReply,
    HelloRequest,
    PlanApproval,
    PlanProposal,
    Refusal,
    RoundReply,
)


def test_what_goes_wrong_inside_stays_inside(bank: Bank) -> None:
    signed = approved(bank)
    bank.computation.train = broken  # type: ignore[method-assign]
    answer = bank.node.handle(round_request(signed))
    assert b"Jane" not in answer
    assert all("Jane" not in signed.text for signed in bank.ledger.entries())


def test_an_update_that_is_not_finite_does_not_leave(bank: Bank) -> None:
    signed = approved(bank)
    bank.computation.train = lambda *_: np.array([np.nan], np.float32)  # type: ignore[method-assign]
    assert refusal(bank, round_request(signed)).code == Code.INTERNAL
    assert bank.kinds()[:2] == ["reserve", "spend"]


def test_reproducible_noise_is_for_backtests_only(bank: Bank) -> None:
    parts: dict[str, Any] = {"ledger": bank.ledger, "policy": bank.policy, "plans": bank.plans}
    with pytest.raises(ConfigurationError, match="noise"):
        Node("bank-a", key_of("bank-a"), COORDINATOR.public, computation=bank.computation, **parts)
    bank.computation.noise = OsNoise()
    with pytest.raises(ConfigurationError, match="trail"):
        Node("bank-a", key_of("bank-a"), COORDINATOR.public, computation=bank.computation, **parts)
    parts["trail"] = Unlogged()
    Node("bank-a", key_of("bank-a"), COORDINATOR.public, computation=bank.computation, **parts)


def test_kinds_that_are_no_requests_are_refused(bank: Bank) -> None:
    for message in (HelloReply(), RoundReply(), Refusal(), PlanApproval()):
        assert refusal(bank, seal(message, COORDINATOR)).code == Code.UNKNOWN_KIND


def test_a_plan_that_cannot_be_read_is_refused(bank: Bank) -> None:
    for data in (b"", b"{}", b"[]", b"null", make_plan().canonical() + b" ", b'{"run_id":"' + b"x" * 2**22 + b'"}'):
        assert refusal(bank, seal(PlanProposal(plan=data), COORDINATOR)).code == Code.UNREADABLE


def test_too_many_bytes_are_refused_unread(bank: Bank) -> None:
    assert refusal(bank, bytes(MAX_BYTES + 1)).code == Code.UNREADABLE


def test_two_thousand_mutated_envelopes_crash_nothing_and_compute_nothing(bank: Bank) -> None:
    signed = approved(bank)
    rng = random.Random(2)
    good = [round_request(signed), proposal(signed.plan), seal(HelloRequest(challenge=b"c" * 32), COORDINATOR)]
    codes = set()
    for number in range(2000):
        mutated = mutate(rng, good[number % 3])
        if mutated in good:
            continue
        answer = read_envelope(bank.node.handle(mutated))
        assert answer.kind == "Refusal"
        codes.add(verify_envelope(answer, Refusal, key_of("bank-a").public).code)
    assert codes <= {Code.UNREADABLE, Code.UNSIGNED, Code.WRONGLY_SIGNED, Code.UNKNOWN_KIND}
    assert bank.computation.computed == 0
    assert len(bank.ledger.entries()) <= 100, "strangers cannot fill the ledger"
    open_envelope(bank.node.handle(good[0]), RoundReply, key_of("bank-a").public)


def mutate(rng: random.Random, data: bytes) -> bytes:
    """A byte changed, a piece cut out, doubled, or appended; or the end missing."""
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.randrange(1, 40))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:start] + bytes([data[start] ^ (1 << rng.randrange(8))]) + data[start + 1 :]
    if kind == 1:
        return data[:start] + data[stop:]
    if kind == 2:
        return data[:stop] + data[start:]
    if kind == 3:
        return data[:start]
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def test_strangers_are_recorded_up_to_a_limit_that_renews(bank: Bank, clock: Clock) -> None:
    for number in range(150):
        bank.node.handle(b"\xff%d" % number)
    assert len(bank.refusals()) == 100
    clock.now += 3601
    bank.node.handle(b"\xff again")
    assert len(bank.refusals()) == 101


def test_a_ledger_that_cannot_be_written_answers_nothing_but_refusals(bank: Bank, monkeypatch: Any) -> None:
    from federation.errors import LedgerError

    signed = approved(bank)

    def broken(*_: Any, **__: Any) -> Any:
        raise LedgerError("database", got="full disk", expected="room")

    monkeypatch.setattr(bank.ledger, "reserve", broken)
    monkeypatch.setattr(bank.ledger, "refuse", broken)
    assert refusal(bank, round_request(signed)).code == Code.INTERNAL
    assert bank.computation.computed == 0


def test_another_process_on_the_same_ledger_is_noticed(bank: Bank) -> None:
    signed = approved(bank)
    second = replace(bank)
    second.ledger, second.computation, second.plans = bank.ledger, bank.computation, bank.plans
    second.restart()
    bank.node.handle(round_request(signed, round=1))
    second.node.handle(round_request(signed, round=2))
    assert refusal(bank, round_request(signed, round=2, model=model(1.0))).code == Code.ANOTHER_MODEL
    assert refusal(second, round_request(signed, round=1, model=model(1.0))).code == Code.ANOTHER_MODEL
