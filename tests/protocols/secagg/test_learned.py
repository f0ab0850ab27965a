"""What can be worked out at all from everything the coordinator may see of a round: one sum of enough, or nothing.

Masks are unknowns here. The lists are any that honest members answer, another to each of them; whatever opens by them
is known; and linear algebra says which sums of vectors are left without a mask: claim 3 of docs/secagg.md, tried out.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from test_lying_lists import seven_that_seem_to_have_dropped

from protocols.secagg import threshold

PRIME = 2**31 - 1  # masks come with coefficients -1, 0 and 1 of a graph's edges: any large prime gives the same ranks


@dataclass(frozen=True)
class Seen:
    """Members are numbers, honest ones from 0; `lists`: who survived, as each honest member that was asked was told."""

    members: int
    colluders: int
    tau: int
    sent: frozenset[int]
    lists: dict[int, frozenset[int]]
    droppers: int = 0

    @property
    def honest(self) -> range:
        return range(self.members - self.colluders)

    def seed_opens(self, member: int) -> bool:
        return sum(member in survivors for survivors in self.lists.values()) + self.colluders >= self.tau

    def mask_key_opens(self, member: int) -> bool:
        return sum(member not in survivors for survivors in self.lists.values()) + self.colluders >= self.tau

    def unknown_masks(self) -> list[list[int]]:
        """One row for each vector that was sent, one column for each mask that stays unknown."""
        rows: dict[int, list[int]] = {member: [] for member in sorted(self.sent)}

        def column(signs: dict[int, int]) -> None:
            for member, row in rows.items():
                row.append(signs.get(member, 0))

        for member in rows:
            if not self.seed_opens(member):
                column({member: 1})
        for one in self.honest:
            for other in range(one + 1, len(self.honest)):
                if not self.mask_key_opens(one) and not self.mask_key_opens(other):
                    column({one: 1, other: -1})
        return list(rows.values())

    def learned(self) -> list[frozenset[int]]:
        """The sums of vectors that are free of every unknown mask: a basis, each as the members in it."""
        names = sorted(self.sent)
        return [
            frozenset(name for name, part in zip(names, parts, strict=True) if part)
            for parts in left_kernel(self.unknown_masks())
        ]


def left_kernel(rows: list[list[int]]) -> list[list[int]]:
    """A basis of the combinations of `rows` that are zero, by elimination modulo PRIME."""
    left = [[*row, *(int(at == place) for place in range(len(rows)))] for at, row in enumerate(rows)]
    width, done = len(rows[0]) if rows else 0, 0
    for column in range(width):
        pivot = next((at for at in range(done, len(left)) if left[at][column] % PRIME), None)
        if pivot is None:
            continue
        left[done], left[pivot] = left[pivot], left[done]
        inverse = pow(left[done][column], -1, PRIME)
        for at in range(done + 1, len(left)):
            factor = left[at][column] * inverse % PRIME
            left[at] = [(a - factor * b) % PRIME for a, b in zip(left[at], left[done], strict=True)]
        done += 1
    return [row[width:] for row in left[done:]]


@st.composite
def rounds(draw: st.DrawFn) -> Seen:
    """Any honest member may be missing, any may not be asked; lists lack some of a few victims, each list others."""
    droppers = draw(st.integers(1, 3))
    colluders = draw(st.integers(1, 3))
    least = droppers * (droppers + 1) + colluders + 1
    members = draw(st.integers(least, least + 4))
    honest = range(members - colluders)
    sent = frozenset(honest) - draw(st.frozensets(st.sampled_from(honest), max_size=1))
    victims = draw(st.lists(st.sampled_from(honest), unique=True, min_size=1, max_size=droppers + 2))
    turns, spread = draw(st.randoms(use_true_random=False)), draw(st.booleans())
    lists = {}
    for at, member in enumerate(sorted(sent)):
        others = [victims[(at + step) % len(victims)] for step in range(len(victims))]
        if not spread:
            turns.shuffle(others)
        gone = [other for other in others if other != member][: droppers - (turns.random() < 0.1)]
        if turns.random() < 0.95:
            lists[member] = frozenset(range(members)) - frozenset(gone)
    return Seen(members, colluders, threshold(members, colluders, droppers), sent, lists, droppers)


@settings(max_examples=150, deadline=None)
@given(rounds())
def test_one_sum_of_enough_or_nothing(seen: Seen) -> None:
    assert not any(seen.seed_opens(member) and seen.mask_key_opens(member) for member in seen.honest)
    learned = seen.learned()
    assert len(learned) <= 1
    for members in learned:
        assert len(members) >= seen.members - seen.colluders - seen.droppers
        assert members == {member for member in seen.sent if seen.seed_opens(member)}


def test_an_honest_round_is_learned() -> None:
    everybody = frozenset(range(10))
    honest = Seen(10, 1, 8, frozenset(range(9)), dict.fromkeys(range(9), everybody))
    assert honest.learned() == [frozenset(range(9))]
    left = everybody - {3, 4}
    dropped = Seen(10, 1, 8, frozenset(range(9)) - {3, 4}, dict.fromkeys([0, 1, 2, 5, 6, 7, 8], left))
    assert dropped.learned() == [frozenset({0, 1, 2, 5, 6, 7, 8})]
    few = Seen(10, 1, 8, frozenset(range(9)) - {3, 4}, dict.fromkeys([0, 1, 2, 5, 6, 7], left))
    assert few.learned() == []


def test_the_weaker_rule_lets_lists_that_differ_open_two_of_nine() -> None:
    """K = 10, c = 1, tau = 6: 2 tau > K + c and no more. The attack of `test_lying_lists`, found again here."""
    lists = {
        int(name[-2:]): frozenset(int(survivor[-2:]) for survivor in survivors)
        for name, survivors in seven_that_seem_to_have_dropped().items()
    }
    assert Seen(10, 1, 6, frozenset(range(9)), lists).learned() == [frozenset({0, 1})]
    assert Seen(10, 1, 8, frozenset(range(9)), lists).learned() == []
