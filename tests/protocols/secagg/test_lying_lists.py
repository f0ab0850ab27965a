"""A coordinator that lies about who dropped: to one member, to all of them, to each of them differently.

Every attack is carried out against the protocol with one protection off, and succeeds; with it on, it fails.
"""

from __future__ import annotations

from itertools import product

import pytest
from coordinator_attacks import AnyList, AnyThreshold, Attacker
from secagg_world import CONTEXT, World, plan_of, signing_keys

from protocols.errors import MessageError, ProtocolError, StageError
from protocols.secagg import SecaggPlan, threshold

VICTIM = "bank-00"


def unchecked(members: int, tau: int, fewest: int) -> SecaggPlan:
    keys = {name: key.public for name, key in signing_keys(members).items()}
    return AnyThreshold(CONTEXT, keys, 1, tau, fewest)


def test_two_lists_to_two_members_open_a_vector_below_the_threshold_rule() -> None:
    """K = 4, c = 1, tau = 2: the victim hears that all survived, another that the victim dropped."""
    world = World(unchecked(4, 2, 3))
    vectors = world.vectors(8)
    masked = world.mask(1, vectors)
    attacker = Attacker(world, 1, colluders=("bank-03",))
    assert attacker.opened(masked, [VICTIM]) is None
    attacker.ask(VICTIM, world.plan.names)
    attacker.ask("bank-01", world.plan.names[1:])
    found = attacker.opened(masked, [VICTIM])
    assert found is not None
    assert (found == vectors[VICTIM]).all()


@pytest.mark.parametrize("lists", list(product((True, False), repeat=2)))
def test_no_way_to_tell_two_lists_opens_a_vector_above_it(lists: tuple[bool, bool]) -> None:
    """K = 4, c = 1, tau = 3, 2 tau > K + c: whichever of the honest members hear that the victim dropped."""
    world = World(plan_of(4, 1))
    masked = world.mask(1, world.vectors(8))
    attacker = Attacker(world, 1, colluders=("bank-03",))
    attacker.ask(VICTIM, world.plan.names)  # with another list it refuses: its own vector was sent
    for name, survived in zip(("bank-01", "bank-02"), lists, strict=True):
        attacker.ask(name, world.plan.names if survived else world.plan.names[1:])
    assert attacker.opened(masked, [VICTIM]) is None


def test_a_second_list_opens_a_vector_of_who_accepts_it_and_is_refused() -> None:
    for member, refused in ((AnyList, False), (None, True)):
        world = World(plan_of(4, 1), member=member) if member else World(plan_of(4, 1))
        vectors = world.vectors(8)
        masked = world.mask(1, vectors)
        attacker = Attacker(world, 1)
        for name in world.plan.names[1:]:
            attacker.ask(name, world.plan.names)
            attacker.ask(name, world.plan.names)  # the same again: the same answer
        for name in world.plan.names[1:]:
            if refused:
                with pytest.raises(StageError, match="round 1: got a second list of survivors, expected bank-00, "):
                    attacker.ask(name, world.plan.names[1:])
            else:
                attacker.ask(name, world.plan.names[1:])
        found = attacker.opened(masked, [VICTIM])
        assert (found is None) if refused else (found is not None and (found == vectors[VICTIM]).all())


def test_one_member_that_was_restored_from_a_copy_and_a_colluder_open_a_vector() -> None:
    """K = 4, c = 1, tau = 3: within the rule, and above it by one answer of a member that forgot its first one."""
    for restored in (True, False):
        world = World(plan_of(4, 1))
        vectors = world.vectors(8)
        masked = world.mask(1, vectors)
        attacker, copy = Attacker(world, 1, colluders=("bank-03",)), world.states["bank-01"]
        attacker.ask(VICTIM, world.plan.names)
        attacker.ask("bank-01", world.plan.names)
        attacker.ask("bank-02", world.plan.names[1:])
        if restored:
            world.states["bank-01"] = copy
            attacker.ask("bank-01", world.plan.names[1:])
        found = attacker.opened(masked, [VICTIM])
        assert (found is not None and (found == vectors[VICTIM]).all()) if restored else found is None


def test_a_short_list_opens_a_vector_of_who_accepts_it_and_is_refused() -> None:
    """All others "dropped": one list, the same for all."""
    for member, refused in ((AnyList, False), (None, True)):
        world = World(plan_of(5, 1), member=member) if member else World(plan_of(5, 1))
        vectors = world.vectors(8)
        masked = world.mask(1, vectors)
        attacker = Attacker(world, 1)
        for name in world.plan.names:
            if refused:
                with pytest.raises(MessageError, match="survivors: got 1 members, expected at least 4"):
                    attacker.ask(name, [VICTIM])
            else:
                attacker.ask(name, [VICTIM])
        found = attacker.opened(masked, [VICTIM])
        assert (found is None) if refused else (found is not None and (found == vectors[VICTIM]).all())


def seven_that_seem_to_have_dropped() -> dict[str, list[str]]:
    """For each of nine honest members a list without four others, such that five lists lack each of bank-02 to 08."""
    honest = [f"bank-{number:02d}" for number in range(9)]
    gone, everybody = honest[2:], [f"bank-{number:02d}" for number in range(10)]
    without = {honest[0]: gone[:4], honest[1]: gone[3:]}
    without |= {name: [gone[(at + step) % 7] for step in (1, 2, 3, 4)] for at, name in enumerate(gone)}
    return {name: [other for other in everybody if other not in left] for name, left in without.items()}


def test_a_list_for_each_member_opens_a_sum_of_two_where_only_2_tau_exceeds_k_and_c() -> None:
    """K = 10, c = 1, d = 4, tau = 6. 2 tau > K + c, no vector opens, but the noise of two members is all there is.

    Every list is of six members and what each member sees is in order. Five honest members were provisioned for.
    """
    world = World(unchecked(10, 6, 6))
    vectors = world.vectors(8)
    masked = world.mask(1, vectors)
    attacker = Attacker(world, 1, colluders=("bank-09",))
    for name, survivors in seven_that_seem_to_have_dropped().items():
        attacker.ask(name, survivors)
    found = attacker.opened(masked, ["bank-00", "bank-01"])
    assert found is not None
    assert (found == vectors["bank-00"] + vectors["bank-01"]).all()
    assert attacker.opened(masked, [VICTIM]) is None


def test_it_opens_nothing_with_the_plans_own_rule() -> None:
    """(d + 1) tau > d K + c: four droppers among ten are not to be had, and with two the lists are refused."""
    with pytest.raises(ProtocolError, match="got 4 of 10 members, with 1 colluding, expected members - colluders > "):
        plan_of(10, 4)
    keys = {name: key.public for name, key in signing_keys(10).items()}
    with pytest.raises(MessageError, match="threshold: got 6, expected at least 8 of 10 members with 2 that may drop"):
        SecaggPlan(CONTEXT, keys, 1, 6, 8)
    world = World(plan_of(10, 2))
    world.mask(1, world.vectors(8))
    attacker = Attacker(world, 1, colluders=("bank-09",))
    for name, survivors in seven_that_seem_to_have_dropped().items():
        with pytest.raises(MessageError, match="survivors: got 6 members, expected at least 8"):
            attacker.ask(name, survivors)


@pytest.mark.parametrize(("members", "droppers"), [(6, 1), (8, 2), (10, 2), (14, 3), (22, 4), (50, 6)])
def test_however_lists_differ_at_most_d_honest_members_can_be_left_out(members: int, droppers: int) -> None:
    """The worst the coordinator can do: spread d absences over every honest list, as evenly as they go.

    Each absence counts once; a member is left out of a sum when tau - c lists lack it. One fewer in the threshold may
    or may not be enough, which is why the rule is a bound and this a count.
    """
    colluders = 1
    tau = threshold(members, colluders, droppers)
    absences = (members - colluders) * droppers
    assert absences // (tau - colluders) <= droppers
    assert absences // (tau - 1 - colluders) > droppers


def test_a_list_that_leaves_out_the_member_or_names_a_stranger_is_refused() -> None:
    world = World(plan_of(4, 1))
    world.mask(1, world.vectors(8, world.plan.names[:3]))
    attacker = Attacker(world, 1)
    everybody = list(world.plan.names)
    for survivors, match in (
        (everybody[1:], "survivors: got none called bank-00, expected bank-00, whose vector was sent"),
        (
            [*everybody[:3], "mallory"],
            "survivors: got bank-00, bank-01, bank-02, mallory, expected members of the plan",
        ),
        ([everybody[0], *everybody[:3]], "expected members of the plan, in order, each once"),
        (everybody[::-1], "expected members of the plan, in order, each once"),
        ([], "survivors: got 0 members|expected at least 3"),
    ):
        with pytest.raises(MessageError, match=match):
            attacker.ask(VICTIM, survivors)
    with pytest.raises(StageError, match="round 1: got an unmasking, expected none before a vector was masked"):
        attacker.ask("bank-03", everybody)
    attacker.ask(VICTIM, everybody)  # a refused list leaves the right one possible
