"""What the members of a run agree on before they mask anything: who, how many rounds, how many may drop.

>>> [threshold(*case) for case in ((4, 1, 1), (5, 1, 1), (10, 1, 2), (50, 1, 6))]
[3, 4, 8, 44]

Of K members, c may collude with the coordinator and d may drop in a round. Then tau shares open a secret, where

    (d + 1) tau > d K + c      and      tau <= K - d

For d = 1 that is 2 tau > K + c: no member's mask key and seed of one round can both be opened. For d > 1 it asks for
more: that lists which differ from member to member do not leave a smaller sum open than the K - d - c honest members
that noise is provisioned for. `docs/secagg.md` proves both. With d = 0 nothing is shared and no threshold is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from protocols.canonical import canonical, digest
from protocols.errors import MessageError
from protocols.lookup.fields import integer, sized
from protocols.signing import VerifyingKey

LABEL = "fedscore/v1/secagg/plan"
MIN_MEMBERS, MAX_MEMBERS = 3, 1000
MAX_ROUNDS = 4096


def threshold(members: int, colluders: int = 1, droppers: int = 0) -> int:
    """The smallest tau that keeps `members` safe; K where nobody may drop.

    Raises MessageError where no tau does: K - c > d (d + 1) is needed, so one dropper needs four members.
    """
    if droppers == 0:
        return members
    least = (droppers * members + colluders) // (droppers + 1) + 1
    if least > members - droppers:
        raise MessageError(
            "secagg.droppers",
            got=f"{droppers} of {members} members, with {colluders} colluding",
            expected=f"members - colluders > droppers * (droppers + 1) = {droppers * (droppers + 1)}",
        )
    return least


@dataclass(frozen=True)
class SecaggPlan:
    """One secure aggregation: `rounds` sums (numbered from 1) over the members of one roster.

    context     32 bytes: the hash of the training plan
    members     the enrolled verifying key of every member, by name; at least three
    rounds      how many sums may be opened, repeated attempts included: every attempt takes a number of its own
    threshold   tau: how many shares open a secret
    fewest      K - d: with fewer survivors a round is given up

    Raises MessageError for numbers out of range, two members with one key, or a threshold that protects nobody.
    """

    context: bytes
    members: Mapping[str, VerifyingKey]
    rounds: int
    threshold: int
    fewest: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", MappingProxyType(dict(sorted(self.members.items()))))
        sized(self.context, "secagg.context", 32)
        integer(self.size, "secagg.members", MIN_MEMBERS, MAX_MEMBERS)
        for name in self.members:
            if not 0 < len(name) <= 64:
                raise MessageError("secagg.members", got=f"a name of {len(name)} characters", expected="1 to 64")
        if len({key.raw for key in self.members.values()}) != self.size:
            raise MessageError("secagg.members", got="a key that two members share", expected="one for each")
        integer(self.rounds, "secagg.rounds", 1, MAX_ROUNDS)
        integer(self.fewest, "secagg.fewest", 2, self.size)
        integer(self.threshold, "secagg.threshold", 1, self.fewest if self.recoverable else self.size)
        self._check_threshold()

    def _check_threshold(self) -> None:
        if self.recoverable and self.threshold < (least := threshold(self.size, 1, self.droppers)):
            expected = f"at least {least} of {self.size} members with {self.droppers} that may drop"
            raise MessageError("secagg.threshold", got=self.threshold, expected=expected)

    @classmethod
    def tolerating(
        cls,
        droppers: int,
        *,
        context: bytes,
        members: Mapping[str, VerifyingKey],
        rounds: int,
        colluders: int = 1,
    ) -> SecaggPlan:
        """The plan with the smallest threshold. Raises MessageError where so many droppers cannot be tolerated."""
        tau = threshold(len(members), colluders, droppers)
        return cls(context, members, rounds, tau, len(members) - droppers)

    @property
    def size(self) -> int:
        """K."""
        return len(self.members)

    @property
    def droppers(self) -> int:
        """d, in any one round."""
        return self.size - self.fewest

    @property
    def recoverable(self) -> bool:
        """Whether a round survives a dropper. Without that no secret is ever shared, and masks are pairwise only."""
        return self.fewest < self.size

    @property
    def colluders(self) -> int:
        """The largest c this plan withstands: at least two honest members are needed for a sum to hide anything."""
        if not self.recoverable:
            return self.size - 2
        return min((self.droppers + 1) * self.threshold - self.droppers * self.size - 1, self.size - 2)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The members in the order of their names: the order of everything that goes by member."""
        return tuple(self.members)

    def place(self, name: str) -> int:
        """From 1: the member's point in secret sharing. Raises MessageError for a stranger."""
        if name not in self._places:
            raise MessageError("secagg.member", got=name, expected="a member of the plan")
        return self._places[name]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.members, 1)}

    def check_round(self, number: int) -> None:
        """Raises MessageError unless the plan has this round."""
        integer(number, "secagg.round", 1, self.rounds)

    @cached_property
    def id(self) -> bytes:
        """32 bytes that name the plan; everything else hangs on it."""
        members = {name: key.hex for name, key in self.members.items()}
        return digest(
            LABEL,
            canonical(
                {
                    "version": 1,
                    "context": self.context.hex(),
                    "members": members,
                    "rounds": self.rounds,
                    "threshold": self.threshold,
                    "fewest": self.fewest,
                }
            ),
        )
