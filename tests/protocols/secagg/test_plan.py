"""Plans: what they promise about colluders and droppers, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from secagg_world import CONTEXT, plan_of, signing_keys

from protocols.errors import MessageError
from protocols.secagg import SecaggPlan, threshold


@given(st.integers(3, 200), st.integers(1, 20), st.integers(1, 14))
def test_the_threshold_is_the_smallest_that_keeps_both_promises(members: int, colluders: int, droppers: int) -> None:
    if members - colluders <= droppers * (droppers + 1):
        with pytest.raises(MessageError, match=r"secagg\.droppers"):
            threshold(members, colluders, droppers)
        return
    tau = threshold(members, colluders, droppers)
    assert 2 * tau > members + colluders, "both secrets of one member would open"
    assert (droppers + 1) * (tau - colluders) > droppers * (members - colluders), "a smaller sum would open"
    assert (droppers + 1) * (tau - 1) <= droppers * members + colluders, "one fewer would do"
    assert colluders < tau <= members - droppers, "colluders could open, or survivors could not"
    assert members - droppers - colluders >= 2


@pytest.mark.parametrize(
    ("members", "droppers", "tau", "fewest", "colluders"),
    [
        (3, 0, 3, 3, 1),
        (4, 1, 3, 3, 1),
        (5, 1, 4, 4, 2),
        (10, 1, 6, 9, 1),
        (10, 2, 8, 8, 3),
        (50, 1, 26, 49, 1),
        (50, 6, 44, 44, 7),
    ],
)
def test_the_table(members: int, droppers: int, tau: int, fewest: int, colluders: int) -> None:
    plan = plan_of(members, droppers)
    assert (plan.threshold, plan.fewest, plan.droppers, plan.colluders) == (tau, fewest, droppers, colluders)
    assert plan.recoverable == (droppers > 0)


def test_three_members_tolerate_no_dropper_and_four_tolerate_one() -> None:
    with pytest.raises(MessageError, match="got 1 of 3 members, with 1 colluding"):
        plan_of(3, 1)
    assert plan_of(4, 1).fewest == 3
    assert plan_of(10, 0).colluders == 8


def test_what_is_no_plan() -> None:
    good = plan_of(10, 2, rounds=5)
    keys = {name: key.public for name, key in signing_keys(10).items()}
    for change, match in (
        ({"context": b"short"}, r"secagg\.context: got 5 bytes, expected 32 bytes"),
        ({"members": dict(list(keys.items())[:2])}, r"secagg\.members: got 2"),
        ({"members": {**keys, "bank-00": keys["bank-01"]}}, "a key that two members share"),
        ({"members": {**keys, "": signing_keys(11)["bank-10"].public}}, "a name of 0 characters"),
        ({"members": {**keys, "x" * 65: signing_keys(11)["bank-10"].public}}, "a name of 65 characters"),
        ({"rounds": 0}, r"secagg\.rounds: got 0"),
        ({"rounds": 4097}, r"secagg\.rounds: got 4097"),
        ({"fewest": 11}, r"secagg\.fewest: got 11"),
        ({"fewest": 1}, r"secagg\.fewest: got 1"),
        ({"threshold": 9}, r"secagg\.threshold: got 9, expected an integer from 1 to 8"),
        ({"threshold": 7}, r"secagg\.threshold: got 7, expected at least 8 of 10 members with 2 that may drop"),
        ({"threshold": True}, r"secagg\.threshold"),
        ({"fewest": 6, "threshold": 6}, r"secagg\.droppers: got 4 of 10 members"),
    ):
        with pytest.raises(MessageError, match=match):
            replace(good, **change)
    with pytest.raises(TypeError):
        good.members["mallory"] = keys["bank-00"]  # type: ignore[index]


def test_a_plan_is_named_by_all_that_is_in_it() -> None:
    good = plan_of(10, 1, rounds=5)
    members = dict(good.members)
    renamed = {("bank-zz" if name == "bank-00" else name): key for name, key in members.items()}
    others = [
        replace(good, context=b"\x12" * 32),
        replace(good, rounds=6),
        replace(good, threshold=7),
        replace(good, fewest=10),
        replace(good, members=renamed),
        replace(good, members={**members, "bank-00": signing_keys(11)["bank-10"].public}),
    ]
    assert len({good.id, *(plan.id for plan in others)}) == 7
    assert SecaggPlan(CONTEXT, dict(reversed(members.items())), 5, 6, 9).id == good.id
