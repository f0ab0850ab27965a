"""Members and a coordinator that pass each other real messages; every random byte comes from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from protocols.secagg import Collector, Member, RoundSum, SecaggPlan, Unmasking, Words
from protocols.signing import SigningKey

CONTEXT = b"\x11" * 32


def names(count: int) -> list[str]:
    return [f"bank-{number:02d}" for number in range(count)]


def signing_keys(count: int) -> dict[str, SigningKey]:
    return {name: SigningKey.from_seed(name.encode().ljust(32, b"\0")) for name in names(count)}


def plan_of(count: int, droppers: int, rounds: int = 1, colluders: int = 1) -> SecaggPlan:
    members = {name: key.public for name, key in signing_keys(count).items()}
    return SecaggPlan.tolerating(droppers, context=CONTEXT, members=members, rounds=rounds, colluders=colluders)


class World:
    """A set-up among `plan`'s members, done. `states` are the members', `collector` is the coordinator's."""

    def __init__(self, plan: SecaggPlan, seed: int = 0, member: type[Member] = Member) -> None:
        self.plan = plan
        self.keys = {name: key for name, key in signing_keys(plan.size).items() if name in plan.members}
        self.random: Callable[[int], bytes] = random.Random(seed).randbytes
        self.numbers = np.random.default_rng(seed)
        self.collector = Collector(plan)
        self.states: dict[str, Member] = {}
        for name in plan.names:
            self.states[name], advert = member.start(plan, name, self.keys[name], self.random)
            self.collector.advert(name, advert)
        for name in plan.names:
            self.states[name], shares = self.states[name].share(self.collector.adverts)
            self.collector.shares(name, shares)

    def vectors(self, width: int, who: Iterable[str] | None = None, size: int = 8) -> dict[str, Words]:
        """Any bits in every word, of `size` bytes: what is added is taken modulo 2^64, or 2^32."""
        chosen = self.plan.names if who is None else who
        return {name: self.numbers.integers(0, 256**size, width, f"u{size}") for name in chosen}

    def mask(self, number: int, vectors: Mapping[str, Words]) -> dict[str, Words]:
        """What each of them sends."""
        masked = {}
        for name, vector in vectors.items():
            self.states[name], masked[name] = self.states[name].mask(number, vector)
        return masked

    def offered(self, number: int, vectors: Mapping[str, Words]) -> RoundSum:
        """A round into which these vectors went, masked."""
        first = next(iter(vectors.values()))
        total = self.collector.round(number, len(first), word_bytes=first.itemsize)
        for name, masked in self.mask(number, vectors).items():
            total.offer(name, masked)
        return total

    def reveal(self, name: str, unmasking: Unmasking) -> bytes:
        self.states[name], revealed = self.states[name].reveal(unmasking)
        return revealed

    def round(
        self, number: int, width: int, *, silent: Collection[str] = (), late: Collection[str] = (), size: int = 8
    ) -> None:
        """One round, checked against the plain sum: `silent` never send a vector, `late` send one and no reveal."""
        vectors = self.vectors(width, [name for name in self.plan.names if name not in silent], size)
        total = self.offered(number, vectors)
        survivors = total.close()
        if self.plan.recoverable:
            for name in survivors:
                if name not in late:
                    total.reveal(name, self.reveal(name, total.unmasking(name)))
        assert survivors == tuple(vectors)
        expected = sum(vector.astype(object) for vector in vectors.values()) % 256**size
        assert total.total().dtype.itemsize == size
        assert total.total().astype(object).tolist() == expected.tolist()
        for name in self.plan.names:
            self.states[name] = self.states[name].finish(number)
