"""A member's state: what it refuses out of order, what it keeps, what it forgets, what it shows."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secagg_world import World, plan_of, signing_keys

from protocols.errors import MessageError, ProtocolError, StageError
from protocols.secagg import Collector, Member, Unmasking
from protocols.wire.secagg_pb2 import SecaggState

ME = "bank-00"


def again(world: World, name: str = ME) -> Member:
    """The state as it comes back from a file."""
    return Member.from_bytes(world.plan, world.keys[name], world.states[name].to_bytes())


def test_a_whole_run_goes_through_files() -> None:
    """Every state is written and read between any two steps, at members and coordinator, and sums stay exact."""
    world = World(plan_of(5, 1, rounds=2))
    world.collector = Collector.from_bytes(world.plan, world.collector.to_bytes())
    for number in (1, 2):
        for name in world.plan.names:
            world.states[name] = again(world, name)
            assert world.states[name].to_bytes() == again(world, name).to_bytes()
        world.round(number, 7, silent=world.plan.names[number : number + 1])
        assert len(again(world).secrets) == 2 - number


def test_what_is_said_is_remembered_in_the_file() -> None:
    world = World(plan_of(4, 1))
    vectors = world.vectors(5)
    world.mask(1, vectors)
    total = world.collector.round(1, 5)
    for name in world.plan.names:
        total.offer(name, world.states[name].mask(1, vectors[name])[1])
    with pytest.raises(StageError, match="round 1: got a second vector, expected the one that was masked"):
        again(world).mask(1, vectors[ME] + 1)
    with pytest.raises(StageError, match="round 1: got a second vector"):
        again(world).mask(1, vectors[ME][:4])
    first = world.reveal(ME, total.unmasking(ME))
    assert again(world).said == world.states[ME].said
    assert again(world).reveal(total.unmasking(ME))[1] == first


def test_the_same_again_gives_the_same_bytes() -> None:
    world = World(plan_of(4, 1))
    before = world.states[ME]
    state, shares = before.share(world.collector.adverts)
    assert shares == world.collector._shares[ME]
    vector = world.vectors(5)[ME]
    state, masked = state.mask(1, vector)
    after, second = state.mask(1, vector)
    assert after is state
    assert (masked == second).all()
    with pytest.raises(StageError, match="round 1: got a second vector"):
        state.mask(1, vector + 1)
    assert (before.mask(1, vector + 1)[1] != masked).any(), (
        "a state of before does not know: hence one file, written first"
    )


def test_what_is_kept_elsewhere_is_sent_again_as_it_was() -> None:
    """`mask` in memory, the masked vector into the caller's store, `sent` from there, also after a crash."""
    world = World(plan_of(4, 1, rounds=2))
    vector = world.vectors(5)[ME]
    kept, masked = again(world).mask(1, vector)
    state = again(world).sent(1, masked)
    assert state.to_bytes() == kept.to_bytes()
    assert state.sent(1, masked) is state
    with pytest.raises(StageError, match="round 1: got a second vector"):
        state.sent(1, masked + 1)
    with pytest.raises(StageError, match="round 1: got a second vector"):
        state.mask(1, vector + 1)
    with pytest.raises(StageError, match="round 1: got a round that is over"):
        state.finish(1).sent(1, masked)
    with pytest.raises(MessageError, match=r"secagg\.vector: got int64\[5\], expected uint32 or uint64"):
        state.sent(1, masked.view(np.int64))
    assert again(world).sent(1, np.repeat(masked, 2)[::2]).to_bytes() == kept.to_bytes(), (
        "whatever its layout in memory"
    )


def test_an_advert_is_the_same_whenever_it_is_asked_for_before_a_round_is_over() -> None:
    world = World(plan_of(4, 1, rounds=2))
    assert again(world).advert() == world.collector.adverts[ME]
    with pytest.raises(StageError, match=r"secagg\.advert: got a question after rounds"):
        world.states[ME].finish(1).advert()


def test_what_is_finished_is_forgotten() -> None:
    world = World(plan_of(4, 1, rounds=2))
    vectors = world.vectors(5)
    total = world.offered(1, vectors)
    asked = total.unmasking(ME)
    state = world.states[ME]
    gone = [state.secrets[1].mask, state.secrets[1].seed, state.secrets[1].coins]
    assert all(secret in state.to_bytes() for secret in gone)
    state = state.finish(1)
    assert not any(secret in state.to_bytes() for secret in gone)
    for act in (lambda: state.mask(1, vectors[ME]), lambda: state.reveal(asked)):
        with pytest.raises(StageError, match="round 1: got a round that is over"):
            act()
    with pytest.raises(StageError, match="a second time, after rounds"):
        state.share(world.collector.adverts)
    state.mask(2, vectors[ME])
    assert state.finish(1).to_bytes() == state.to_bytes()
    with pytest.raises(MessageError, match=r"secagg\.round"):
        state.finish(3)


def test_each_step_in_its_place() -> None:
    plan = plan_of(4, 1)
    state, advert = Member.start(plan, ME, signing_keys(4)[ME], os.urandom)
    vector = np.zeros(3, np.uint64)
    with pytest.raises(StageError, match="round 1: got a round, expected the adverts of all members first"):
        state.mask(1, vector)
    with pytest.raises(StageError, match="none of bank-01, bank-02, bank-03"):
        state.share({ME: advert})
    world = World(plan)
    for number in (0, 2, -1):
        with pytest.raises(MessageError, match=r"secagg\.round"):
            world.states[ME].mask(number, vector)
    for bad in (np.zeros(0, np.uint64), np.zeros((2, 2), np.uint64), np.zeros(3, np.int64), np.zeros(3)):
        with pytest.raises(MessageError, match=r"secagg\.vector"):
            world.states[ME].mask(1, bad)
    other = World(plan, seed=1)
    adverts = {**other.collector.adverts, ME: world.collector.adverts[ME]}
    with pytest.raises(StageError, match="others than before, expected those that shares were made for"):
        world.states[ME].share(adverts)
    nobody_drops = World(plan_of(3, 0))
    nobody_drops.mask(1, nobody_drops.vectors(3))
    setup = nobody_drops.states[ME].setup
    assert setup is not None
    with pytest.raises(StageError, match="round 1: got an unmasking, expected none: nobody may drop"):
        nobody_drops.states[ME].reveal(Unmasking(setup.id, 1, nobody_drops.plan.names, {}))


def test_a_generator_that_repeats_itself_is_refused() -> None:
    plan = plan_of(4, 1)
    for random in (bytes, lambda count: b"\x07" * count):
        with pytest.raises(MessageError, match=r"secagg\.random: got bytes that came before"):
            Member.start(plan, ME, signing_keys(4)[ME], random)
    with pytest.raises(MessageError, match="31 bytes"):
        Member.start(plan, ME, signing_keys(4)[ME], lambda count: os.urandom(count - 1))


def test_only_an_enrolled_key_starts() -> None:
    plan, keys = plan_of(4, 1), signing_keys(4)
    with pytest.raises(MessageError, match="key of bank-00: got"):
        Member.start(plan, ME, keys["bank-01"], os.urandom)
    with pytest.raises(MessageError, match="got mallory, expected a member of the plan"):
        Member.start(plan, "mallory", keys[ME], os.urandom)


def test_secrets_are_not_shown() -> None:
    world = World(plan_of(4, 1))
    state = world.states[ME]
    total = world.offered(1, world.vectors(3))
    total.close()
    shown = repr(world.states) + repr(state.secrets) + repr(total.unmasking(ME)) + repr(world.collector)
    for secret in (state.channel, state.secrets[1].mask, state.secrets[1].seed, state.secrets[1].coins):
        assert repr(secret)[2:10] not in shown
        assert secret.hex()[:8] not in shown


def test_a_file_of_another_plan_member_or_version_is_refused() -> None:
    world = World(plan_of(4, 1))
    data = world.states[ME].to_bytes()
    with pytest.raises(MessageError, match=r"secagg state\.plan_id"):
        Member.from_bytes(plan_of(5, 1), world.keys[ME], data)
    with pytest.raises(MessageError, match="key of bank-00"):
        Member.from_bytes(world.plan, world.keys["bank-01"], data)
    state = SecaggState.FromString(data)
    for change, match in (
        (lambda each: setattr(each, "version", 2), "got 2, expected 1"),
        (lambda each: setattr(each, "channel", b"short"), r"secagg state\.channel: got 5 bytes"),
        (lambda each: setattr(each, "member", "mallory"), "a member of the plan"),
        (lambda each: setattr(each.rounds[0], "number", 9), r"secagg\.round"),
        (lambda each: setattr(each.rounds[0], "seed", b""), r"secagg\.secrets\.seed: got 0 bytes"),
        (lambda each: each.adverts.pop(), r"secagg\.adverts: got bank-00, bank-01, bank-02, expected"),
    ):
        changed = SecaggState()
        changed.CopyFrom(state)
        change(changed)
        with pytest.raises(MessageError, match=match):
            Member.from_bytes(world.plan, world.keys[ME], changed.SerializeToString())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_file_is_a_typed_error_or_a_state(data: st.DataObject) -> None:
    whole = STATE.states[ME].to_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from([whole[:at], whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :], whole[at:]])
    )
    with contextlib.suppress(ProtocolError):
        assert Member.from_bytes(STATE.plan, STATE.keys[ME], damaged).name == ME


STATE = World(plan_of(4, 1))
