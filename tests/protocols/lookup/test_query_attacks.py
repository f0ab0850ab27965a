"""Relay and pool lie to a querier that is honest.

Every lie is shown to succeed where the one check against it is replaced, and to be refused, and named, where it is not.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from query_world import QueryWorld, Relay, opened
from world import START, WEEK, Epoch

from clients.institution.lookup import asking as asking_module
from clients.institution.lookup.asking import Asking
from clients.institution.lookup.kept_answers import KeptAnswers
from federation.lookup.outcome import Unavailable
from federation.lookup.record import STEPS, JointSum
from protocols.errors import MessageError
from protocols.lookup.engines.bfv import messages
from protocols.lookup.engines.bfv.packing import lengthen, shorten
from protocols.lookup.engines.bfv.parameters import PRIMES
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.lookup.rows import Rows
from protocols.wire import lookup_pb2 as wire

ENGINES = ("lwe", "bfv")
SHIFT = 24  # evidence, in eighths of a log-odds


def unchecked(*_: Any, **__: Any) -> None:
    """A check that is off."""


def of(asking: Asking) -> Any:
    """The pool behind an asker."""
    return asking.pool


def behind(asking: Asking) -> Relay:
    assert isinstance(asking.relay, Relay)
    return asking.relay


def known(world: QueryWorld) -> bytes:
    """Somebody whom one or two members know."""
    return next(identifier for identifier in world.identifiers if world.truth(identifier)[1] in (1, 2))


def refused(found: Any, party: str, *words: str) -> bool:
    return isinstance(found, Unavailable) and found.party == party and all(word in found.reason for word in words)


# ---- the pool serves another table (threats 24, 25, 27)


def shifted(world: QueryWorld, epoch: Epoch) -> Rows:
    """Every evidence a little higher, under the signatures of the true rows."""
    assert epoch.audited is not None
    values = epoch.audited.rows.values.copy()
    values[..., 2] = (values[..., 2] + SHIFT) % MODULUS
    return Rows(values, epoch.audited.rows.signatures)


@pytest.mark.parametrize("name", ENGINES)
def test_a_score_shifted_in_the_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, epoch = opened(name)
    asking, person = world.asking("bank-00", epoch, tmp_path), known(world)
    evidence = world.truth(person)[2] / STEPS
    if name == "bfv":  # lwe's signed hint belongs to the true table: an answer from another one is noise
        of(asking).prepared = world.engine.prepare(shifted(world, epoch), epoch.context.epoch_id)
    else:
        of(asking).change = partial(plus_bytes, 40)
    [found] = world.ask(asking, [person])
    assert refused(found, "pool", "signature")
    monkeypatch.setattr(asking_module, "verify_row", unchecked)
    [found] = world.ask(asking, [person])
    if name == "bfv":
        assert isinstance(found, JointSum)
        assert found.evidence == evidence + SHIFT / STEPS
    else:
        assert not refused(found, "pool")


def plus_bytes(place: int, answer: bytes) -> bytes:
    """lwe: one digit of the row plus one."""
    digits = np.frombuffer(answer, dtype="<u2").copy()
    digits[place % len(digits)] += 256
    return digits.tobytes()


def plus_constant(epoch: Epoch, slot: int, answer: bytes) -> bytes:
    """bfv: the relay's first attack. SHIFT times the scale on one coefficient of c0 adds SHIFT to what decrypts."""
    polynomials = lengthen(messages.ANSWER.payload(epoch.context.epoch_id, answer))
    at = slot * COEFFICIENTS + 2
    polynomials[0, at] = (int(polynomials[0, at]) + SHIFT * PRIMES[0] // MODULUS) % PRIMES[0]
    return messages.ANSWER.frame(epoch.context.epoch_id, shorten(polynomials))


def test_a_constant_added_to_the_ciphertext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, epoch = opened("bfv")
    asking, person = world.asking("bank-00", epoch, tmp_path), known(world)
    place = epoch.layout.find(epoch.point(person))
    assert place is not None
    of(asking).change = partial(plus_constant, epoch, place[1])
    assert refused(world.ask(asking, [person])[0], "pool", "signature")
    monkeypatch.setattr(asking_module, "verify_row", unchecked)
    [found] = world.ask(asking, [person])
    assert found.evidence == (world.truth(person)[2] + SHIFT) / STEPS


@pytest.mark.parametrize("name", ENGINES)
def test_one_bit_flipped_on_the_way_is_not_the_pools_word(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A carrier that changes an answer cannot sign it; one that leaves the row's signatures whole gains nothing."""
    world, epoch = opened(name)
    asking, person = world.asking("bank-00", epoch, tmp_path), known(world)
    honest = of(asking).query

    def carried(queries: Any, keys: bytes, *, timeout: float) -> list[wire.Answer]:
        answers: list[wire.Answer] = honest(queries, keys, timeout=timeout)
        for answer in answers:
            answer.answer = answer.answer[:-1] + bytes([answer.answer[-1] ^ 1])
        return answers

    monkeypatch.setattr(of(asking), "query", carried)
    assert refused(world.ask(asking, [person])[0], "pool", "signature")
    assert len(KeptAnswers(asking.epoch.part.folder).batch(2**24, b"", os.urandom).items) == 1


@pytest.mark.parametrize("name", ENGINES)
def test_a_hint_with_one_bit_flipped_is_refused_before_a_query(name: str, tmp_path: Path) -> None:
    world, epoch = opened(name)
    asking = world.asking("bank-00", epoch, tmp_path)
    assert epoch.audited is not None
    true = epoch.audited.prepared.hint
    false = bytes([true[0] ^ 1]) + true[1:] if true else b"\0"
    pool: Any = SimpleNamespace(hint=lambda: false)
    with pytest.raises(MessageError, match="hint"):
        asking.epoch._hint(pool)
    assert asking.epoch._hint(SimpleNamespace(hint=lambda: true)) == true  # type: ignore[arg-type]
    asking.epoch.part.folder.keep("hint.bin", false)  # nor is one that was changed where it is kept
    with pytest.raises(MessageError, match="hint"):
        asking.epoch._hint(pool)


@pytest.mark.parametrize("name", ENGINES)
def test_the_table_of_an_old_epoch(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are signed for another epoch; and even with signatures off, fresh pads leave nothing to be read."""
    world, first = opened(name)
    later = world.epoch(2)
    assert first.audited is not None
    asking = world.asking("bank-00", later, tmp_path)
    asking.clock = lambda: START + WEEK + 100.0
    behind(asking).now = asking.clock()
    person = known(world)
    assert isinstance(world.ask(asking, [person])[0], JointSum)
    old = world.engine.prepare(first.audited.rows, later.context.epoch_id)
    asking.epoch._client = world.engine.client(  # as if the hint were not signed either
        world.geometry(later), later.context.epoch_id, old.hint, world.random
    )
    of(asking).prepared, of(asking).keys = old, asking.epoch.client(of(asking)).keys
    assert refused(world.ask(asking, [person])[0], "pool", "signature")
    monkeypatch.setattr(asking_module, "verify_row", unchecked)
    assert refused(world.ask(asking, [person])[0], "members", "record")


# ---- the relay and tickets (threat 46 and the ticket chain)


def test_tickets_swapped_between_two_questions(tmp_path: Path) -> None:
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    behind(asking).change = lambda outcomes: outcomes[::-1]
    found = world.ask(asking, world.identifiers[:2])
    assert all(refused(each, "relay", "proof") for each in found)
    assert not of(asking).queries


def test_a_recorded_ticket_in_place_of_the_next(tmp_path: Path) -> None:
    world, epoch = opened("lwe")
    asking, kept = world.asking("bank-00", epoch, tmp_path), []

    def replay(outcomes: list[wire.TicketOutcome]) -> list[wire.TicketOutcome]:
        kept.extend(outcomes)
        return kept[:1]

    behind(asking).change = replay
    assert isinstance(world.ask(asking, world.identifiers[:1])[0], JointSum)
    assert refused(world.ask(asking, world.identifiers[1:2])[0], "relay", "proof")


def test_a_ticket_of_another_querier(tmp_path: Path) -> None:
    """The relay hands what was made for bank-01 to bank-00: leaves, not askers, are what statements are made for."""
    world, epoch = opened("lwe")
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = world.asking("bank-01", epoch, tmp_path / "one"), world.asking("bank-00", epoch, tmp_path / "two")
    taken: list[wire.TicketOutcome] = []
    behind(one).change = lambda outcomes: taken.__iadd__(outcomes)
    behind(two).change = lambda _: taken
    world.ask(one, world.identifiers[:1])
    assert refused(world.ask(two, world.identifiers[:1])[0], "relay", "proof")


@pytest.mark.parametrize("left_out", ["evaluations", "openings", "combined"])
def test_a_relay_that_leaves_something_out_is_named(left_out: str, tmp_path: Path) -> None:
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)

    def drop(outcomes: list[wire.TicketOutcome]) -> list[wire.TicketOutcome]:
        for outcome in outcomes:
            if left_out == "combined":
                outcome.combined = b""
            else:
                del getattr(outcome, left_out)[0]
        return outcomes

    behind(asking).change = drop
    assert refused(world.ask(asking, world.identifiers[:1])[0], "relay", "proof")


def test_a_question_framed_in_anothers_name_is_evaluated_by_nobody(tmp_path: Path) -> None:
    """The relay logs a leaf as bank-01's with its own key: every member refuses, nobody's quota is charged."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-00", epoch, tmp_path)
    signers = dict(world.signers)
    home: Any = asking.epoch.part.home
    home.name, home.signing_key = "bank-01", world.relay
    [found] = world.ask(asking, world.identifiers[:1])
    assert isinstance(found, Unavailable)
    assert "somebody else" in found.reason
    assert all(not guard.leaves() for guard in behind(asking).guards.values())
    home.signing_key = signers["bank-01"]
    assert isinstance(world.ask(asking, world.identifiers[:1])[0], JointSum)
