"""A coordinator in the middle: keys of its own in the members' place, a roster of its own.

Each attack is carried out with the protection off, and shows a member's vector; with it on it is refused by name.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from google.protobuf.message import Message
from secagg_world import CONTEXT, World, plan_of, signing_keys

from protocols.envelope import read_envelope, seal
from protocols.errors import MessageError, StageError
from protocols.secagg import Collector, Fault, Member, SecaggPlan, Words, messages
from protocols.secagg.advert import Advert, Setup
from protocols.secagg.masks import with_masks
from protocols.signing import SigningKey, VerifyingKey

VICTIM = "bank-00"
MALLORY = SigningKey.from_seed(b"m" * 32)


def in_the_middle(world: World) -> tuple[dict[str, bytes], dict[str, Member]]:
    """Adverts for everybody but the victim, made by the coordinator, and the secrets behind them."""
    adverts, puppets = dict(world.collector.adverts), {}
    for name in world.plan.names[1:]:
        puppets[name], advert = Member.start(world.plan, name, world.keys[name], os.urandom)
        adverts[name] = seal(Advert.open(world.plan, name, advert).message(), MALLORY)
    return adverts, puppets


def unmasked(victim: Member, puppets: dict[str, Member], masked: Words) -> Words:
    """What the puppets' keys leave of the victim's masked vector (where nobody may drop)."""
    assert victim.setup is not None
    total = masked
    for name, puppet in puppets.items():
        total = with_masks(total, *victim.setup.pair_keys(1, name, puppet.secrets[1].mask, [VICTIM]))
    return total


def test_swapped_adverts_open_a_vector_where_nobody_verifies_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def unverified(data: bytes, kind: type[Message], signer: VerifyingKey) -> Message:
        return kind.FromString(read_envelope(data).body)

    world = World(plan_of(3, 0))
    started, advert = Member.start(world.plan, VICTIM, world.keys[VICTIM], os.urandom)
    adverts, puppets = in_the_middle(world)
    adverts[VICTIM] = advert
    vector = world.vectors(8)[VICTIM]
    with monkeypatch.context() as off:
        off.setattr(messages, "open_envelope", unverified)
        victim, _ = started.share(adverts)
        assert (unmasked(victim, puppets, victim.mask(1, vector)[1]) == vector).all()
    with pytest.raises(Fault, match=r"^advert from bank-01: got envelope.signer: ") as fault:
        started.share(adverts)
    assert fault.value.party == "bank-01"


def test_one_swapped_advert_is_enough_to_be_refused_by_everybody() -> None:
    world = World(plan_of(4, 1))
    adverts, _ = in_the_middle(world)
    mixed = {**world.collector.adverts, "bank-02": adverts["bank-02"]}
    for name in world.plan.names:
        state, own = Member.start(world.plan, name, world.keys[name], os.urandom)
        with pytest.raises(Fault, match=r"^advert from bank-02"):
            state.share(
                {name: own, **{peer: each for peer, each in mixed.items() if peer != name or name == "bank-02"}}
            )


def test_a_roster_of_puppets_leaves_one_vector_in_the_sum_and_a_pinned_one_refuses_it() -> None:
    """The victim believes in a plan of the coordinator's making: everybody else in it is the coordinator."""
    puppet_keys = {name: SigningKey.from_seed(name.encode().ljust(32, b"p")) for name in ("bank-01", "bank-02")}
    victim_key = signing_keys(1)[VICTIM]
    members = {VICTIM: victim_key.public, **{name: key.public for name, key in puppet_keys.items()}}
    puppets_plan = SecaggPlan.tolerating(0, context=CONTEXT, members=members, rounds=1)
    victim, own = Member.start(puppets_plan, VICTIM, victim_key, os.urandom)
    started = {name: Member.start(puppets_plan, name, key, os.urandom) for name, key in puppet_keys.items()}
    adverts = {VICTIM: own, **{name: advert for name, (_, advert) in started.items()}}
    shown, _ = victim.share(adverts)
    vector = World(plan_of(3, 0)).vectors(8)[VICTIM]
    masked = shown.mask(1, vector)[1]
    assert (unmasked(shown, {name: state for name, (state, _) in started.items()}, masked) == vector).all()

    pinned, own = Member.start(plan_of(3, 0), VICTIM, victim_key, os.urandom)
    with pytest.raises(Fault, match=r"^advert from bank-01: got envelope.signer"):
        pinned.share({**adverts, VICTIM: own})


@pytest.mark.parametrize("change", ["member", "rounds", "context", "threshold"])
def test_adverts_for_another_plan_are_refused(change: str) -> None:
    """Also where every key is enrolled: the members mean different sums."""
    plan = plan_of(5, 1, rounds=2)
    other = {
        "member": lambda: plan_of(4, 1, rounds=2),
        "rounds": lambda: plan_of(5, 1, rounds=1),
        "context": lambda: replace(plan, context=b"\x12" * 32),
        "threshold": lambda: replace(plan, fewest=5),
    }[change]()
    mine, theirs = World(plan), World(other)
    adverts = {**mine.collector.adverts, "bank-01": theirs.collector.adverts["bank-01"]}
    with pytest.raises(Fault, match=r"^advert from bank-01: got advert.plan_id: "):
        mine.states[VICTIM].share(adverts)
    stranger = {**mine.collector.adverts, "mallory": mine.collector.adverts["bank-01"]}
    with pytest.raises(MessageError, match="got mallory, expected a member of the plan"):
        mine.states[VICTIM].share(stranger)


def test_an_advert_of_one_member_is_not_one_of_another() -> None:
    world = World(plan_of(4, 1))
    adverts = {**world.collector.adverts, "bank-02": world.collector.adverts["bank-01"]}
    with pytest.raises(Fault, match="advert from bank-02"):
        Setup.open(world.plan, adverts)


def test_members_that_were_shown_different_adverts_of_a_colluder_open_nothing_for_each_other() -> None:
    """The colluder signs two, one for each half. Set-ups differ, and so does all that is made under them."""
    world = World(plan_of(4, 1))
    _, second = Member.start(world.plan, "bank-03", world.keys["bank-03"], os.urandom)
    state, advert = Member.start(world.plan, VICTIM, world.keys[VICTIM], os.urandom)
    state, shares = state.share({**world.collector.adverts, VICTIM: advert, "bank-03": second})
    collector = Collector(world.plan)
    for name, data in world.collector.adverts.items():
        collector.advert(name, data)
    with pytest.raises(Fault, match=r"^shares from bank-00: got shares.setup_id"):
        collector.shares(VICTIM, shares)
    world.mask(1, world.vectors(4))
    state, _ = state.mask(1, world.vectors(4)[VICTIM])
    total = world.collector.round(1, 4)
    for name in world.plan.names:
        total.offer(name, world.vectors(4)[name])
    with pytest.raises(MessageError, match=r"^unmasking.setup_id"):
        state.reveal(total.unmasking(VICTIM))


def test_an_advert_with_a_key_that_everybody_knows_or_that_comes_twice_is_refused() -> None:
    world = World(plan_of(3, 0, rounds=2))
    good = Advert.open(world.plan, "bank-01", world.collector.adverts["bank-01"])
    for bad, match in (
        (replace(good, masks=(good.masks[0], bytes(32))), "a point of small order"),
        (replace(good, channel=(1).to_bytes(32, "little")), "a point of small order"),
        (replace(good, masks=(b"\xff" * 32, good.masks[1])), "another spelling of a point"),
        (replace(good, masks=(good.masks[0], good.masks[0])), "one that comes twice"),
        (replace(good, masks=(good.masks[0], good.channel)), "one that comes twice"),
        (replace(good, masks=good.masks[:1]), "1 of them, expected 2"),
        (replace(good, masks=(good.masks[0], b"short")), "5 bytes, expected 32 bytes"),
        (replace(good, seeds=(bytes(32), bytes(32))), "2 of them, expected 0"),
        (replace(good, member="bank-02"), "got advert.member: bank-02, expected bank-01"),
    ):
        with pytest.raises(Fault, match=match) as fault:
            Advert.open(world.plan, "bank-01", bad.sign(world.keys["bank-01"]))
        assert fault.value.party == "bank-01"


def test_an_advert_of_an_earlier_start_is_not_used() -> None:
    """Its secrets are gone: shares of others would go to keys that nobody has."""
    world = World(plan_of(3, 0))
    restarted, _ = Member.start(world.plan, VICTIM, world.keys[VICTIM], os.urandom)
    with pytest.raises(StageError, match="advert of bank-00: got one of an earlier start"):
        restarted.share(world.collector.adverts)
