"""What a lying coordinator, with colluding members, does with what it is given: an implementation of its own.

Nothing here checks anything. Where an attack ends in a vector, the protocol without its protection is broken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from secagg_world import World

from protocols.envelope import read_envelope
from protocols.secagg import Member, SecaggPlan, Unmasking, Words
from protocols.secagg.keys import self_key
from protocols.secagg.masks import with_masks
from protocols.secagg.secrets import Kind
from protocols.secagg.shamir import recover
from protocols.secagg.sharing import Place, open_share
from protocols.wire.secagg_pb2 import SecaggReveal


class AnyThreshold(SecaggPlan):
    """A plan whose threshold nobody checked."""

    def _check_threshold(self) -> None:
        pass


class AnyList(Member):
    """A member that opens shares for whatever list it is shown, and any number of lists."""

    def _check_list(self, number: int, survivors: tuple[str, ...]) -> None:
        pass


@dataclass
class Attacker:
    """Everything the coordinator saw of one round, and the shares that it and `colluders` hold."""

    world: World
    number: int
    colluders: tuple[str, ...] = ()
    held: dict[tuple[str, Kind], dict[int, bytes]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        for dealer in self.world.plan.names:
            for kind in Kind:
                for colluder in self.colluders:
                    place = Place(self.setup, self.number, kind, dealer, colluder)
                    cell = self.world.collector._dealt[dealer].cell(colluder, self.number, kind)
                    share = open_share(place, self.world.states[colluder].channel, cell)
                    self.held[dealer, kind][self.world.plan.place(colluder)] = share

    @property
    def setup(self):
        return self.world.collector._opened()

    def unmasking(
        self, name: str, survivors: Iterable[str], cell: Callable[[str, Kind], tuple[int, Kind]] | None = None
    ) -> Unmasking:
        """Any list for `name`, with the right cells, or those of the round and kind that `cell` names for a dealer."""
        listed, cells = tuple(survivors), {}
        for dealer in self.world.plan.names:
            kind = Kind.SEED if dealer in listed else Kind.MASK
            at = cell(dealer, kind) if cell else (self.number, kind)
            cells[dealer] = self.world.collector._dealt[dealer].cell(name, *at)
        return Unmasking(self.setup.id, self.number, listed, cells)

    def ask(self, name: str, survivors: Iterable[str]) -> None:
        """Show `name` this list, keep what it answers."""
        self.keep(self.world.reveal(name, self.unmasking(name, survivors)))

    def keep(self, revealed: bytes, kinds: Mapping[str, Kind] | None = None) -> None:
        """Shares of a reveal, by dealer and by what they are of."""
        message = SecaggReveal.FromString(read_envelope(revealed).body)
        place = self.world.plan.place(message.member)
        for dealer, share in zip(self.world.plan.names, message.shares, strict=True):
            kind = Kind.SEED if dealer in message.survivors else Kind.MASK
            self.held[dealer, (kinds or {}).get(dealer, kind)][place] = share

    def secret(self, name: str, kind: Kind) -> bytes | None:
        """The secret, if the shares at hand give it; its public side in the advert says whether they do."""
        shares = dict(list(self.held[name, kind].items())[: self.world.plan.threshold])
        if len(shares) < self.world.plan.threshold:
            return None
        return recover(shares)

    def opened(self, masked: Mapping[str, Words], of: Iterable[str]) -> Words | None:
        """The sum of the vectors of `of` alone, if seeds and mask keys at hand take every mask off; None otherwise."""
        chosen = tuple(of)
        total = sum(masked[name] for name in chosen)
        plus: list[bytes] = []
        minus: list[bytes] = []
        for name in chosen:
            seed = self.secret(name, Kind.SEED)
            if seed is None:
                return None
            minus.append(self_key(seed, self.setup.id, self.number, name))
        for other in set(self.world.plan.names) - set(chosen):
            if other in self.colluders:
                mask_key = self.world.states[other].secrets[self.number].mask
            else:
                mask_key = self.secret(other, Kind.MASK)
            if mask_key is None:  # the other side of each pair will do
                return self._from_inside(masked, chosen)
            more, less = self.setup.pair_keys(self.number, other, mask_key, chosen)
            plus += more
            minus += less
        return with_masks(total, plus, minus)

    def _from_inside(self, masked: Mapping[str, Words], chosen: tuple[str, ...]) -> Words | None:
        total = sum(masked[name] for name in chosen)
        for name in chosen:
            seed, mask_key = self.secret(name, Kind.SEED), self.secret(name, Kind.MASK)
            if seed is None or mask_key is None:
                return None
            peers = [peer for peer in self.world.plan.names if peer != name]
            plus, minus = self.setup.pair_keys(self.number, name, mask_key, peers)
            total = with_masks(total, minus, [*plus, self_key(seed, self.setup.id, self.number, name)])
        return total
