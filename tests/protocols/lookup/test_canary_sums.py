"""A member that shifts its table passes every audit of an epoch, and is exposed by persons whose sums are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from world import World

from federation.lookup.canaries import CanaryAnswer, CanaryAnswers, Found, Steps, compare, steps_of
from federation.lookup.record import JointSum
from protocols.errors import MessageError, SignatureError
from protocols.lookup.parameters import MODULUS
from protocols.signing import SigningKey

LIAR = "bank-01"
Change = Callable[[World], None]


def made() -> tuple[World, dict[str, dict[str, Steps]]]:
    """Four members; canaries are those of the subjects that two of them know, as they are before anybody lies."""
    world = World(members=4, subjects=80, bound=60, seed=5)
    known = {subject: [n for n in world.names if subject in world.records[n]] for subject in world.identifiers}
    planted = {
        subject.hex(): {name: (1, *map(int, world.records[name][subject])) for name in holders}
        for subject, holders in known.items()
        if len(holders) == 2
    }
    assert len(planted) > 12
    return world, dict(list(planted.items())[:14])


def found(change: Change) -> Found:
    world, planted = made()
    change(world)
    epoch = world.epoch()  # audited: tables, dummies, layout, every check there is
    answers = []
    for subject in planted:
        opened = (epoch.read(bytes.fromhex(subject)) % MODULUS).astype(np.uint32)
        answers.append(CanaryAnswer(subject, "", steps_of(JointSum.read(opened, len(world.names)))))
    return compare(planted, answers)


def nothing(world: World) -> None:
    pass


def every_record(world: World) -> None:
    """By one log-odds: its customers look worse to everybody else."""
    for record in world.records[LIAR].values():
        record[0] += 8


def scaled(world: World) -> None:
    for record in world.records[LIAR].values():
        record[:] = record * 2 + 1


def one_part(world: World) -> None:
    for record in world.records[LIAR].values():
        record[3] -= 1


def all_but_canaries(world: World) -> None:
    """What a member does that can tell them from customers."""
    _, planted = made()
    for subject, record in world.records[LIAR].items():
        if subject.hex() not in planted:
            record[0] += 8


def one_record(world: World) -> None:
    _, planted = made()
    subject = next(subject for subject, members in planted.items() if LIAR in members)
    world.records[LIAR][bytes.fromhex(subject)][0] += 1


def test_honest_members_give_the_sums_that_were_planted() -> None:
    told = found(nothing)
    assert not told.deviating
    assert told.explained
    assert told.suspects == ()
    assert set(told.cleared) == {"bank-00", "bank-01", "bank-02", "bank-03"}


@pytest.mark.parametrize("shift", [every_record, scaled, one_part])
def test_a_shift_of_a_whole_table_names_its_member_and_passes_the_audit_without_canaries(shift: Change) -> None:
    told = found(shift)
    assert told.suspects == (LIAR,)
    assert told.explanations == ((LIAR,),)
    assert told.explained
    assert set(told.cleared) == {"bank-00", "bank-02", "bank-03"}


def test_a_member_that_knows_the_canaries_is_not_exposed() -> None:
    """The limit: they show nothing about a member that treats them otherwise than its customers."""
    assert not found(all_but_canaries).deviating


def test_a_single_record_is_seen_and_explained_by_nobodys_table() -> None:
    told = found(one_record)
    assert len(told.deviating) == 1
    assert next(iter(told.deviating.values())) == (0, 1, 0, 0, 0, 0, 0)
    assert told.suspects == ()
    assert not told.explained


def test_who_was_never_answered_is_neither_suspect_nor_cleared() -> None:
    steps = (1, 0, 0, 0, 0, 0, 0)
    planted = {"aa": {"bank-a": steps, "bank-b": steps}, "bb": {"bank-c": steps}}
    told = compare(planted, [CanaryAnswer("aa", "", (2, 0, 0, 0, 0, 0, 0)), CanaryAnswer("bb", "", ())])
    assert (told.unanswered, told.suspects, told.cleared) == (("bb",), (), ("bank-a", "bank-b"))
    missing = compare(planted, [CanaryAnswer("aa", "", steps)])  # one of them left the record out
    assert next(iter(missing.deviating.values())) == (-1, 0, 0, 0, 0, 0, 0)
    with pytest.raises(MessageError, match="not planted"):
        compare(planted, [CanaryAnswer("cc", "", steps)])


ONE = (1, 0, 0, 0, 0, 0, 0)


def planted_in_pairs(*members: str, each: int = 2) -> dict[str, dict[str, Steps]]:
    """Two canaries for every group of members."""
    groups = [*combinations(members, each)] * 2
    return {f"{number:02x}": dict.fromkeys(group, ONE) for number, group in enumerate(groups)}


def told_by(planted: dict[str, dict[str, Steps]], shifts: dict[str, int]) -> list[CanaryAnswer]:
    """Sums in which members add to their evidence."""
    return [
        CanaryAnswer(subject, "", (len(known), sum(shifts.get(name, 0) for name in known), 0, 0, 0, 0, 0))
        for subject, known in planted.items()
    ]


def test_two_whose_shifts_cancel_do_not_have_a_third_blamed_alone() -> None:
    """They are cleared by the canaries that they share, and each of the third's deviates."""
    planted = planted_in_pairs("bank-a", "bank-b", "bank-c")
    told = compare(planted, told_by(planted, {"bank-a": 3, "bank-b": -3}))
    assert (told.suspects, told.cleared) == (("bank-c",), ("bank-a", "bank-b"))  # all that one rule can say
    assert told.explanations == (("bank-c",), ("bank-a", "bank-b"))
    single = planted_in_pairs("bank-a", "bank-b", "bank-c", each=1)  # what one member alone knows has no such doubt
    told = compare(single, told_by(single, {"bank-a": 3, "bank-b": -3}))
    assert (told.suspects, told.cleared) == (("bank-a", "bank-b"), ("bank-c",))
    assert told.explanations == (("bank-a", "bank-b"),)


@pytest.mark.parametrize(
    ("shifts", "explanations"),
    [
        ({"bank-a": 1, "bank-b": 1}, (("bank-a", "bank-b"),)),  # the others share canaries that hold
        ({"bank-a": 1}, (("bank-a",),)),
        ({}, ()),
    ],
)
def test_whose_tables_would_explain_it(shifts: dict[str, int], explanations: object) -> None:
    planted = planted_in_pairs("bank-a", "bank-b", "bank-c", "bank-d")
    told = compare(planted, told_by(planted, shifts))
    assert told.explanations == explanations
    assert told.explained


@pytest.mark.parametrize("order", [1, -1])
def test_where_two_that_asked_differ_nobody_is_blamed_whoever_is_read_last(order: int) -> None:
    """One of them falsifies every sum about bank-a, and bank-a has done nothing."""
    planted = planted_in_pairs("bank-a", "bank-b", "bank-c")
    honest, false = told_by(planted, {}), told_by(planted, {"bank-a": 2})
    told = compare(planted, [*honest, *false][::order])
    assert (told.deviating, told.suspects) == ({}, ())
    assert told.disputed == tuple(sorted(subject for subject, known in planted.items() if "bank-a" in known))
    assert told.cleared == ("bank-b", "bank-c")
    assert compare(planted, false).suspects == ("bank-a",)  # asked through one, the lie is believed


def test_answers_are_their_institutions_own() -> None:
    key, other = SigningKey.from_seed(b"a" * 32), SigningKey.from_seed(b"b" * 32)
    said = CanaryAnswers("bank-a", (CanaryAnswer("aa", "ab" * 32, (1, -3, 0, 0, 0, 0, 0)), CanaryAnswer("bb", "", ())))
    signed = said.sign(key)
    assert CanaryAnswers.verify(signed, key.public) == said
    with pytest.raises(SignatureError):
        CanaryAnswers.verify(signed, other.public)
    with pytest.raises(SignatureError):
        CanaryAnswers.verify(signed.replace(b"-3", b"-4"), key.public)
    for wrong in (b"{}", signed[:-1] + b',"more":1}', b"[" * 9000):
        with pytest.raises((MessageError, Exception)):
            CanaryAnswers.verify(wrong, key.public)
    for steps in ((1,), (1, 2.5, 0, 0, 0, 0, 0), (True, 0, 0, 0, 0, 0, 0)):
        with pytest.raises(MessageError):
            CanaryAnswer("aa", "", steps)  # type: ignore[arg-type]
