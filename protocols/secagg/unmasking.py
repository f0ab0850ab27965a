"""The second exchange of a round: who survived, and the shares that this opens.

Of a survivor the seed of its own mask is opened, of a member that dropped its mask key: one of the two, for each
member, and the list alone says which. `Unmasking` is the coordinator's request to one survivor, `Reveal` its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protocols.envelope import seal
from protocols.errors import MessageError
from protocols.secagg.advert import Setup
from protocols.secagg.messages import cells, open_from, parse, same
from protocols.secagg.plan import SecaggPlan
from protocols.secagg.secrets import Kind
from protocols.secagg.shamir import SHARE_BYTES
from protocols.secagg.sharing import CELL_BYTES
from protocols.signing import SigningKey
from protocols.wire.secagg_pb2 import SecaggReveal, SecaggUnmasking


def kind_of(name: str, survivors: tuple[str, ...]) -> Kind:
    """What is opened of `name`."""
    return Kind.SEED if name in survivors else Kind.MASK


def check_survivors(plan: SecaggPlan, survivors: tuple[str, ...], member: str) -> None:
    """Raises MessageError unless these are members of the plan, in order, each once, enough, and `member` among them.

    Fewer than `fewest` would leave a sum with less noise, of fewer members, than the plan promises.
    """
    known = set(survivors) <= set(plan.names)
    if not known or list(survivors) != sorted(set(survivors)):
        raise MessageError("survivors", got=", ".join(survivors), expected="members of the plan, in order, each once")
    if len(survivors) < plan.fewest:
        raise MessageError("survivors", got=f"{len(survivors)} members", expected=f"at least {plan.fewest}")
    if member not in survivors:
        raise MessageError("survivors", got=f"none called {member}", expected=f"{member}, whose vector was sent")


@dataclass(frozen=True)
class Unmasking:
    """`cells`: by dealer, in the order of the names, the cell that `survivors` calls for, sealed to the receiver."""

    setup_id: bytes
    round: int
    survivors: tuple[str, ...]
    cells: Mapping[str, bytes]

    def encode(self) -> bytes:
        """For the coordinator's own envelope."""
        return SecaggUnmasking(
            setup_id=self.setup_id, round=self.round, survivors=self.survivors, cells=self.cells.values()
        ).SerializeToString(deterministic=True)

    @classmethod
    def decode(cls, plan: SecaggPlan, data: bytes) -> Unmasking:
        """Raises MessageError for anything else than bytes of this form, with one cell for each member of `plan`."""
        message = parse(data, SecaggUnmasking, 1024 + plan.size * (CELL_BYTES + 512))
        plan.check_round(message.round)
        by_name = dict(zip(plan.names, cells(message.cells, "unmasking.cells", plan.size, CELL_BYTES), strict=True))
        return cls(message.setup_id, message.round, tuple(message.survivors), by_name)


@dataclass(frozen=True)
class Reveal:
    """`shares`: by dealer, in the order of the names."""

    setup_id: bytes
    member: str
    round: int
    survivors: tuple[str, ...]
    shares: Mapping[str, bytes] = field(repr=False)

    def sign(self, key: SigningKey) -> bytes:
        """A serialised Envelope: also the member's word for which list it was shown."""
        return seal(
            SecaggReveal(
                setup_id=self.setup_id,
                member=self.member,
                round=self.round,
                survivors=self.survivors,
                shares=self.shares.values(),
            ),
            key,
        )

    @classmethod
    def open(cls, setup: Setup, member: str, number: int, survivors: tuple[str, ...], data: bytes) -> Reveal:
        """What `member` answered about round `number` and this list. Raises Fault naming it for anything else."""
        plan = setup.plan

        def read(message: SecaggReveal) -> Reveal:
            same("reveal.setup_id", message.setup_id, setup.id)
            if (message.member, message.round) != (member, number):
                got = f"{message.member}, round {message.round}"
                raise MessageError("reveal.member", got=got, expected=f"{member}, round {number}")
            if tuple(message.survivors) != survivors:
                raise MessageError("reveal.survivors", got=", ".join(message.survivors), expected=", ".join(survivors))
            shares = cells(message.shares, "reveal.shares", plan.size, SHARE_BYTES)
            by_name = dict(zip(plan.names, shares, strict=True))
            return cls(message.setup_id, member, number, survivors, by_name)

        return open_from(plan, member, "reveal", data, SecaggReveal, read)
