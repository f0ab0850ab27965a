"""Who lies is named, and nobody else: a revealer, a dealer, a sender. A round goes on without a false reveal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from secagg_world import World, plan_of

from protocols.errors import MessageError, StageError
from protocols.secagg import Collector, Fault, Member, RoundSum
from protocols.secagg.advert import Setup
from protocols.secagg.keys import channel_key
from protocols.secagg.secrets import Kind, RoundSecrets
from protocols.secagg.shamir import PRIME
from protocols.secagg.sharing import SEALED_BYTES, Place, Shares, seal_share
from protocols.secagg.unmasking import Reveal

LIAR, OTHER = "bank-01", "bank-02"


def honest_reveal(world: World, total: RoundSum, name: str) -> Reveal:
    data = world.reveal(name, total.unmasking(name))
    return Reveal.open(world.collector._opened(), name, total.number, total.survivors, data)


def test_a_member_that_reveals_another_share_is_named_and_the_round_goes_on_without_it() -> None:
    world = World(plan_of(5, 1))
    vectors = world.vectors(6)
    total = world.offered(1, vectors)
    total.close()
    true = honest_reveal(world, total, LIAR)
    for dealer in (LIAR, OTHER):
        lie = replace(true, shares={**true.shares, dealer: bytes(33)}).sign(world.keys[LIAR])
        with pytest.raises(Fault, match=rf"^share of {dealer}'s secret from {LIAR}: got another share") as fault:
            total.reveal(LIAR, lie)
        assert fault.value.party == LIAR
    for name in world.plan.names:
        if name != LIAR:
            total.reveal(name, world.reveal(name, total.unmasking(name)))
    assert (total.total() == sum(vectors.values())).all()


def test_a_reveal_about_something_else_or_signed_by_another_is_refused() -> None:
    world = World(plan_of(5, 1, rounds=2))
    total = world.offered(1, world.vectors(6))
    total.close()
    true = honest_reveal(world, total, LIAR)
    key = world.keys[LIAR]
    for lie, match in (
        (replace(true, round=2).sign(key), "got reveal.member: bank-01, round 2, expected bank-01, round 1"),
        (replace(true, setup_id=bytes(32)).sign(key), "got reveal.setup_id"),
        (replace(true, survivors=true.survivors[1:]).sign(key), "got reveal.survivors"),
        (replace(true, member=OTHER).sign(key), "got reveal.member: bank-02"),
        (replace(true, shares={OTHER: true.shares[OTHER]}).sign(key), "reveal.shares: 1 of them, expected 5"),
        (true.sign(world.keys[OTHER]), "envelope.signer"),
        (b"nothing", "envelope"),
    ):
        with pytest.raises(Fault, match=match) as fault:
            total.reveal(LIAR, lie)
        assert fault.value.party == LIAR
    with pytest.raises(MessageError, match="a member of the plan"):
        world.collector.advert("mallory", b"")


def with_dealing(deal: Callable[[Setup, Member], Shares]) -> World:
    """A world in which LIAR deals what `deal` makes."""
    world = World(plan_of(5, 1))
    collector = Collector(world.plan)
    for name, advert in world.collector.adverts.items():
        collector.advert(name, advert)
    for name in world.plan.names:
        state = world.states[name]
        assert state.setup is not None
        data = deal(state.setup, state).sign(world.keys[name]) if name == LIAR else state.share(collector.adverts)[1]
        collector.shares(name, data)
    world.collector = collector
    return world


def another_secret(setup: Setup, state: Member) -> Shares:
    return Shares.deal(setup, LIAR, state.channel, {1: RoundSecrets(b"a" * 32, b"b" * 32, b"c" * 32)})


def beyond_32_bytes(setup: Setup, state: Member) -> Shares:
    """Good shares, committed to and sealed as they should be, of a number that no 32 bytes are."""
    bundles = {}
    for receiver in setup.plan.names:
        key = channel_key(state.channel, setup.channel(receiver), setup.id, LIAR, receiver)
        share = (PRIME - 1).to_bytes(33, "big")
        bundles[receiver] = b"".join(seal_share(Place(setup, 1, kind, LIAR, receiver), key, share) for kind in Kind)
    return Shares(setup.id, LIAR, bundles)


@pytest.mark.parametrize("drops", [False, True], ids=["survives", "drops"])
@pytest.mark.parametrize("deal", [another_secret, beyond_32_bytes])
def test_a_member_that_dealt_shares_of_no_secret_is_named(deal: Callable[[Setup, Member], Shares], drops: bool) -> None:
    world = with_dealing(deal)
    total = world.offered(1, world.vectors(6, [name for name in world.plan.names if not drops or name != LIAR]))
    for name in total.close():
        total.reveal(name, world.reveal(name, total.unmasking(name)))
    with pytest.raises(Fault, match=rf"^shares from {LIAR}: got ") as fault:
        total.total()
    assert fault.value.party == LIAR


def one_false_cell(setup: Setup, state: Member) -> Shares:
    """Sealed for OTHER: a share that is not the one committed to."""
    shares = Shares.deal(setup, LIAR, state.channel, state.secrets)
    key = channel_key(state.channel, setup.channel(OTHER), setup.id, LIAR, OTHER)
    forged = b""
    for kind in Kind:
        false = seal_share(Place(setup, 1, kind, LIAR, OTHER), key, bytes(33))
        forged += false[:SEALED_BYTES] + shares.cell(OTHER, 1, kind)[SEALED_BYTES:]
    return replace(shares, bundles={**shares.bundles, OTHER: forged})


def test_nobody_reveals_a_share_for_which_it_would_be_blamed() -> None:
    world = with_dealing(one_false_cell)
    vectors = world.vectors(6)
    total = world.offered(1, vectors)
    for name in total.close():
        if name == OTHER:
            with pytest.raises(Fault, match=rf"^sealed share from {LIAR}: got another share") as fault:
                world.reveal(name, total.unmasking(name))
            assert fault.value.party == LIAR
        else:
            total.reveal(name, world.reveal(name, total.unmasking(name)))
    assert (total.total() == sum(vectors.values())).all()


def test_a_share_beyond_the_prime_is_no_share() -> None:
    def deal(setup: Setup, state: Member) -> Shares:
        shares = Shares.deal(setup, LIAR, state.channel, state.secrets)
        key = channel_key(state.channel, setup.channel(OTHER), setup.id, LIAR, OTHER)
        cells = b"".join(seal_share(Place(setup, 1, kind, LIAR, OTHER), key, b"\xff" * 33) for kind in Kind)
        return replace(shares, bundles={**shares.bundles, OTHER: cells})

    world = with_dealing(deal)
    total = world.offered(1, world.vectors(6))
    total.close()
    with pytest.raises(Fault, match="sealed share from bank-01: got a number beyond the prime"):
        world.reveal(OTHER, total.unmasking(OTHER))


def test_shares_that_are_incomplete_or_for_another_set_up_are_refused() -> None:
    world = World(plan_of(4, 1))
    state = world.states[LIAR]
    assert state.setup is not None
    good = Shares.deal(state.setup, LIAR, state.channel, state.secrets)
    collector = Collector(world.plan)
    with pytest.raises(StageError, match=r"secagg\.adverts"):
        collector.shares(LIAR, good.sign(world.keys[LIAR]))
    for name, advert in world.collector.adverts.items():
        collector.advert(name, advert)
    for bad, match in (
        (replace(good, setup_id=bytes(32)), "shares.setup_id"),
        (replace(good, member=OTHER), "shares.member"),
        (replace(good, bundles={}), "shares.bundles: 0 of them, expected 4"),
        (replace(good, bundles={**good.bundles, OTHER: b""}), "shares.bundles: 0 bytes, expected 162 bytes"),
    ):
        with pytest.raises(Fault, match=match):
            collector.shares(LIAR, bad.sign(world.keys[LIAR]))
    nothing = World(plan_of(3, 0))
    with pytest.raises(Fault, match=r"shares\.bundles: 1 of them, expected 0"):
        Shares.open(
            nothing.collector._opened(),
            LIAR,
            Shares(nothing.collector._opened().id, LIAR, {LIAR: b""}).sign(nothing.keys[LIAR]),
        )


def test_one_advert_and_one_message_of_shares_for_the_whole_run() -> None:
    """A second, different one would leave members with different set-ups; the same again is no matter."""
    world, other = World(plan_of(4, 1)), World(plan_of(4, 1), seed=1)
    collector = world.collector
    collector.advert(LIAR, collector.adverts[LIAR])
    collector.shares(LIAR, collector._shares[LIAR])
    with pytest.raises(StageError, match="advert of bank-01: got a second one, expected one for the whole run"):
        collector.advert(LIAR, other.collector.adverts[LIAR])
    with pytest.raises(StageError, match="shares of bank-01: got a second message, expected one for the whole run"):
        collector.shares(LIAR, other.collector._shares[LIAR])


def test_a_vector_of_another_form_is_refused_before_it_spoils_the_sum() -> None:
    world = World(plan_of(4, 1))
    total = world.collector.round(1, 6)
    for bad, match in (
        (np.zeros(5, np.uint64), "5 words, expected 6 words"),
        (np.zeros(6, np.int64), r"int64\[6\], expected uint64"),
        (np.zeros((2, 3), np.uint64), r"uint64\[2x3\]"),
        (np.zeros(0, np.uint64), "0 words"),
    ):
        with pytest.raises(Fault, match=match) as fault:
            total.offer(LIAR, bad)
        assert fault.value.party == LIAR
    narrow = world.collector.round(1, 6, word_bytes=4)
    with pytest.raises(Fault, match=r"uint64\[6\], expected uint32") as fault:
        narrow.offer(LIAR, np.zeros(6, np.uint64))
    assert fault.value.party == LIAR
    with pytest.raises(MessageError, match=r"secagg\.word_bytes: got 2"):
        world.collector.round(1, 6, word_bytes=2)
    assert total.survivors == narrow.survivors == ()
    with pytest.raises(MessageError, match="got mallory, expected a member"):
        total.offer("mallory", np.zeros(6, np.uint64))


def test_each_step_of_a_round_once_and_in_order() -> None:
    world = World(plan_of(4, 1, rounds=2))
    masked = world.mask(1, world.vectors(6, world.plan.names[:3]))
    total = world.collector.round(1, 6)
    for name, vector in masked.items():
        total.offer(name, vector)
    with pytest.raises(StageError, match="bank-00 in round 1: got a second vector"):
        total.offer("bank-00", masked["bank-00"])
    assert not total.open
    with pytest.raises(StageError, match="bank-03 in round 1: got an unmasking, expected none for it"):
        total.unmasking("bank-03")
    with pytest.raises(StageError, match="bank-03 in round 1: got a vector after the list was closed"):
        total.offer("bank-03", masked["bank-00"])
    with pytest.raises(StageError, match="bank-03 in round 1: got a reveal, expected none: it dropped"):
        total.reveal("bank-03", b"")
    for number, width in ((0, 6), (3, 6), (1, 0), (1, 2**24 + 1)):
        with pytest.raises(MessageError, match=r"secagg\.(round|width)"):
            world.collector.round(number, width)
