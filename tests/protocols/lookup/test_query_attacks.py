"""Relay and pool lie to a querier that is honest, and a querier that is not works together with an honest pool.

Every lie is shown to succeed where the one check against it is replaced, and to be refused, and named, where it is not.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from query_world import QueryWorld, Relay, opened
from world import START, WEEK, Epoch, signed_values

from clients.institution.lookup import asking as asking_module
from clients.institution.lookup.asking import Asking
from federation.lookup.outcome import Unavailable
from federation.lookup.record import STEPS, JointSum
from protocols.errors import MessageError
from protocols.lookup import table as tables
from protocols.lookup.engines.bfv import messages
from protocols.lookup.engines.bfv.packing import lengthen, shorten
from protocols.lookup.engines.bfv.parameters import DEGREE, PRIMES
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.lookup.rows import Rows
from protocols.wire import lookup_pb2 as wire

sys.path.insert(0, str(Path(__file__).parent / "engines"))
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
    assert len(list(asking.epoch.part.folder.handovers.glob("failed-*"))) == 1


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


# ---- a querier that does not play fair, and the pool (threat 31)


def swap_pads_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables without pads: the protection that everything below leans on, taken away."""

    def none(_: bytes, __: bytes, ___: str, points: bytes) -> Any:
        return np.zeros((len(points) // 32, COEFFICIENTS), dtype=np.uint32)

    monkeypatch.setattr(tables, "pads", none)


def unpadded(world: QueryWorld, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The sum of the tables of an epoch without pads. It would not open: pads at the dummies are proved."""
    swap_pads_for_nothing(monkeypatch)
    epoch = world.prepare(7)
    world.place(epoch)
    world.sign(epoch, START + 6 * WEEK)
    world.build(epoch)
    return epoch, epoch.sum_values()


def people_read(world: QueryWorld, epoch: Epoch, values: Any, ticket: bytes) -> int:
    """How many of the others a holder of one ticket reads, trying its pads, and none, on a whole row or table."""
    pads = sum(value.astype(np.int64) for value in epoch.opened_pads(ticket).values())
    read = 0
    for identifier in world.identifiers:
        place = epoch.layout.find(epoch.point(identifier))
        if identifier == ticket or place is None:
            continue
        found = values[place].astype(np.int64)
        read += any(
            np.array_equal(signed_values(found - guess), world.truth(identifier)) for guess in (pads, np.zeros(8, int))
        )
    return read


def test_all_rows_of_an_honest_pool_open_one_person_for_one_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a crafted query brings out (several rows, split selections, noise) is less than what the pool holds."""
    world, epoch = opened("bfv")
    ticket = known(world)
    assert people_read(world, epoch, epoch.sum_values(), ticket) == 0
    assert np.array_equal(epoch.read(ticket), world.truth(ticket))
    bare, values = unpadded(world, monkeypatch)
    assert people_read(world, bare, values, ticket) == len(world.identifiers) - 1


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "unpadded"])
def test_below_the_scale_a_second_row_comes_out_as_it_is_padded(padded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last row asked for in due form, row 0 selected below the scale, the answer's noise read: all with `bfv`."""
    import test_bfv_below_scale as below

    world, epoch = opened("bfv")
    assert epoch.audited is not None
    signatures, epoch_id = epoch.audited.rows.signatures, epoch.context.epoch_id
    bare, sums = unpadded(world, monkeypatch)
    values = epoch.audited.rows.values if padded else sums
    monkeypatch.setattr(below, "EPOCH", epoch_id)
    monkeypatch.setattr(below, "ROWS", len(values))
    prepared: Any = world.engine.prepare(Rows(values, signatures), epoch_id)
    querier: Any = world.engine.client(world.geometry(epoch), epoch_id, b"", world.random)
    pending, honest = querier.query(2)
    query = below.perturbed(honest, 0, 1 << (44 if padded else 50))
    [answer] = prepared.answer([query], querier.keys)
    assert np.array_equal(pending.open(answer)[0], values[2])  # it looks like any other query's

    secret, noise = below.secret_of(querier), below.noise_of(querier, answer)
    quotient = below.quotient_of(below.block_selection(prepared, query, querier.keys), secret)
    held, records, signed = (np.zeros(DEGREE, dtype=np.int64) for _ in range(3))
    held[: values[0].size] = below.centred(values[0].reshape(-1))
    signed[values[0].size :] = signatures[0].view("<u2")  # every member knows these: they are taken out
    truth = epoch if padded else bare
    for identifier in world.identifiers:
        row, slot = truth.layout.find(truth.point(identifier)) or (-1, 0)
        if row == 0:
            records[slot * 8 : slot * 8 + 8] = world.truth(identifier)
    public = below.negacyclic(quotient, below.centred(signed))
    noise = noise - public * (noise @ public) / (public @ public)
    assert below.correlation(noise, below.negacyclic(quotient, held)) > 0.8
    assert (below.correlation(noise, below.negacyclic(quotient, records)) > 0.8) == (not padded)
