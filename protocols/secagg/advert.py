"""Adverts: the public side of a member's keys for all rounds, signed with its enrolled key; and all of them, a set-up.

The coordinator passes adverts on. It cannot put keys of its own in their place, as each is verified against the key in
the plan; and everything after hangs on the digest of all of them, so two members that were shown different ones
cannot even open each other's shares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from protocols.canonical import digest
from protocols.envelope import seal
from protocols.errors import MessageError, StageError
from protocols.lookup.mask_key import check_mask_key
from protocols.secagg.keys import KEY_BYTES, pair_key, private_of, public_of
from protocols.secagg.messages import cells, open_from, same
from protocols.secagg.plan import SecaggPlan
from protocols.secagg.secrets import RoundSecrets
from protocols.signing import SigningKey
from protocols.wire.secagg_pb2 import SecaggAdvert

LABEL = "fedscore/v1/secagg/setup"


@dataclass(frozen=True)
class Advert:
    """Public keys of `member`: the channel's, a mask key for each round, a commitment to the seed of each round."""

    plan_id: bytes
    member: str
    channel: bytes
    masks: tuple[bytes, ...]
    seeds: tuple[bytes, ...]

    @classmethod
    def of(cls, plan: SecaggPlan, member: str, channel: bytes, secrets: Mapping[int, RoundSecrets]) -> Advert:
        """The public side of these secrets."""
        rounds = [secrets[number] for number in range(1, plan.rounds + 1)]
        seeds = tuple(each.seed_commitment for each in rounds) if plan.recoverable else ()
        return cls(plan.id, member, public_of(channel), tuple(each.mask_public for each in rounds), seeds)

    @classmethod
    def open(cls, plan: SecaggPlan, member: str, data: bytes) -> Advert:
        """What `member` signed for `plan`. Raises Fault naming it for anything else."""

        def read(message: SecaggAdvert) -> Advert:
            advert = cls.of_message(message)
            advert.check(plan, member)
            return advert

        return open_from(plan, member, "advert", data, SecaggAdvert, read)

    def check(self, plan: SecaggPlan, member: str) -> None:
        """Raises MessageError for another plan or member, a wrong number of keys, or a key no mask can be made with."""
        same("advert.plan_id", self.plan_id, plan.id)
        if self.member != member:
            raise MessageError("advert.member", got=self.member, expected=member)
        cells(self.masks, "advert.masks", plan.rounds, KEY_BYTES)
        cells(self.seeds, "advert.seeds", plan.rounds if plan.recoverable else 0, KEY_BYTES)
        keys = (self.channel, *self.masks)
        for key in keys:
            check_mask_key(key, "advert.keys")
        if len(set(keys)) != len(keys) or len(set(self.seeds)) != len(self.seeds):
            raise MessageError("advert.keys", got="one that comes twice", expected="another for every round")

    @classmethod
    def of_message(cls, message: SecaggAdvert) -> Advert:
        """As it stands; `check` comes after."""
        return cls(message.plan_id, message.member, message.channel, tuple(message.masks), tuple(message.seeds))

    def message(self) -> SecaggAdvert:
        return SecaggAdvert(
            plan_id=self.plan_id, member=self.member, channel=self.channel, masks=self.masks, seeds=self.seeds
        )

    def sign(self, key: SigningKey) -> bytes:
        """A serialised Envelope."""
        return seal(self.message(), key)


@dataclass(frozen=True)
class Setup:
    """The adverts of all members of `plan`, in the order of the names."""

    plan: SecaggPlan
    adverts: Mapping[str, Advert]

    def __post_init__(self) -> None:
        if tuple(self.adverts) != self.plan.names:
            raise MessageError("secagg.adverts", got=", ".join(self.adverts), expected=", ".join(self.plan.names))

    @classmethod
    def open(cls, plan: SecaggPlan, adverts: Mapping[str, bytes]) -> Setup:
        """Raises StageError while an advert is missing, MessageError for a stranger's, Fault naming whose is bad."""
        for name in adverts:
            plan.place(name)
        missing = [name for name in plan.names if name not in adverts]
        if missing:
            raise StageError("secagg.adverts", got=f"none of {', '.join(missing)}", expected="one of every member")
        return cls(plan, {name: Advert.open(plan, name, adverts[name]) for name in plan.names})

    @cached_property
    def id(self) -> bytes:
        """32 bytes: the plan and every key that was advertised for it."""
        bodies = [advert.message().SerializeToString(deterministic=True) for advert in self.adverts.values()]
        return digest(LABEL, self.plan.id + b"".join(digest(LABEL, body) for body in bodies))

    def pair_keys(
        self, number: int, name: str, secret: bytes, peers: Iterable[str], basis: bytes = b"", word_bytes: int = 8
    ) -> tuple[list[bytes], list[bytes]]:
        """The keys of the masks that `name` adds in round `number`, and of those it takes away, one for each peer.

        Of two members the first by name adds. `secret` is `name`'s mask key, `basis` what its vector is computed from,
        `word_bytes` the size of its words.
        """
        plus: list[bytes] = []
        minus: list[bytes] = []
        own = private_of(secret)
        for peer in peers:
            public = self.adverts[peer].masks[number - 1]
            key = pair_key(own, public, self.id, number, name, peer, basis, word_bytes)
            (plus if name < peer else minus).append(key)
        return plus, minus

    def channel(self, name: str) -> bytes:
        return self.adverts[name].channel
