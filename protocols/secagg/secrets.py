"""What a member draws for one round: the key of its pairwise masks, the seed of its own mask, coins to share them by.

One of the first two may be opened, by the coordinator and enough members: the mask key if the member drops in the
round, the seed if it survives. Every round therefore has its own: a secret that masked two rounds would be opened for
both, and a member that survives one and drops in the next would have the first one's vector shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from protocols.canonical import digest
from protocols.errors import MessageError
from protocols.lookup.fields import sized
from protocols.secagg.keys import KEY_BYTES, public_of

Random: TypeAlias = Callable[[int], bytes]
SEED_LABEL = "fedscore/v1/secagg/seed-commitment"


class Kind(IntEnum):
    """Which of a member's secrets of a round."""

    MASK = 0
    SEED = 1


@dataclass(frozen=True)
class RoundSecrets:
    """32 bytes each, never printed. `mask` is an X25519 secret key."""

    mask: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    coins: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            sized(getattr(self, name), f"secagg.secrets.{name}", KEY_BYTES)

    @classmethod
    def draw(cls, random: Random) -> RoundSecrets:
        return cls(random(KEY_BYTES), random(KEY_BYTES), random(KEY_BYTES))

    def secret(self, kind: Kind) -> bytes:
        return self.mask if kind is Kind.MASK else self.seed

    @property
    def mask_public(self) -> bytes:
        return public_of(self.mask)

    @property
    def seed_commitment(self) -> bytes:
        return commit_to_seed(self.seed)


def commit_to_seed(seed: bytes) -> bytes:
    """32 bytes that say which seed was shared and, as seeds are uniform, nothing about it."""
    return digest(SEED_LABEL, seed)


def check_fresh(secrets: list[bytes]) -> None:
    """Raises MessageError for a generator that repeats itself: nothing it gives is secret."""
    if len(set(secrets)) != len(secrets):
        raise MessageError("secagg.random", got="bytes that came before", expected="uniform bytes")
