"""Shares of a member's secrets: split by Shamir, committed to, sealed to each receiver.

A cell is one share: of one kind (mask key or seed), of one round, for one receiver. It is sealed by ChaCha20-Poly1305
under the channel key of dealer and receiver, bound to set-up, round, kind and both names; a cell moved to another
place does not open. Beside it stands a hash of the share, signed by the dealer: whoever reveals another share is named,
and so is whoever dealt shares of no secret. Shares are uniform, and the hashes tell nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from protocols.canonical import digest
from protocols.envelope import seal
from protocols.errors import MessageError
from protocols.lookup.fault import Fault
from protocols.secagg import shamir
from protocols.secagg.advert import Setup
from protocols.secagg.keys import Secret, channel_key, coins, private_of
from protocols.secagg.messages import cells, open_from, same
from protocols.secagg.secrets import Kind, RoundSecrets
from protocols.signing import SigningKey
from protocols.wire.secagg_pb2 import SecaggShares

SEALED_BYTES = shamir.SHARE_BYTES + 16
CELL_BYTES = SEALED_BYTES + 32
_CELL = "fedscore/v1/secagg/share"


@dataclass(frozen=True)
class Place:
    """Where a share belongs: which secret (set-up, round, kind, dealer), and whose share of it."""

    setup: Setup
    round: int
    kind: Kind
    dealer: str
    receiver: str

    @property
    def encoded(self) -> bytes:
        plan = self.setup.plan
        numbers = (self.round, self.kind, plan.place(self.dealer), plan.place(self.receiver))
        return self.setup.id + b"".join(number.to_bytes(4, "big") for number in numbers)

    @property
    def nonce(self) -> bytes:
        """Once for each channel key, which has one dealer, one receiver and one set-up."""
        return self.round.to_bytes(8, "big") + self.kind.to_bytes(4, "big")

    def commitment(self, share: bytes) -> bytes:
        return digest(_CELL, self.encoded + share)


@dataclass(frozen=True)
class Shares:
    """What `member` deals: cells by receiver, in the order of the names. Nothing where nobody may drop."""

    setup_id: bytes
    member: str
    bundles: Mapping[str, bytes]

    @classmethod
    def deal(cls, setup: Setup, member: str, channel: bytes, secrets: Mapping[int, RoundSecrets]) -> Shares:
        """Shares of all `secrets`; the same whenever they are asked for."""
        plan = setup.plan
        if not plan.recoverable:
            return cls(setup.id, member, {})
        split = {
            (number, kind): _split(setup, number, kind, secrets[number])
            for number in range(1, plan.rounds + 1)
            for kind in Kind
        }
        bundles, own = {}, private_of(channel)
        for at, receiver in enumerate(plan.names):
            key = channel_key(own, setup.channel(receiver), setup.id, member, receiver)
            bundle = bytearray()
            for (number, kind), parts in split.items():
                bundle += seal_share(Place(setup, number, kind, member, receiver), key, parts[at])
            bundles[receiver] = bytes(bundle)
        return cls(setup.id, member, bundles)

    @classmethod
    def open(cls, setup: Setup, member: str, data: bytes) -> Shares:
        """What `member` signed for this set-up. Raises Fault naming it for anything else."""
        plan = setup.plan
        count, length = (plan.size, 2 * plan.rounds * CELL_BYTES) if plan.recoverable else (0, 0)

        def read(message: SecaggShares) -> Shares:
            same("shares.setup_id", message.setup_id, setup.id)
            if message.member != member:
                raise MessageError("shares.member", got=message.member, expected=member)
            bundles = cells(message.bundles, "shares.bundles", count, length)
            return cls(message.setup_id, member, dict(zip(plan.names[:count], bundles, strict=True)))

        return open_from(plan, member, "shares", data, SecaggShares, read)

    def sign(self, key: SigningKey) -> bytes:
        """A serialised Envelope."""
        return seal(SecaggShares(setup_id=self.setup_id, member=self.member, bundles=self.bundles.values()), key)

    def cell(self, receiver: str, number: int, kind: Kind) -> bytes:
        """81 bytes."""
        at = (2 * (number - 1) + kind) * CELL_BYTES
        return self.bundles[receiver][at : at + CELL_BYTES]

    def check(self, place: Place, share: bytes) -> None:
        """Raises Fault naming the receiver unless `share` is the one that was dealt to it."""
        if place.commitment(share) != self.cell(place.receiver, place.round, place.kind)[SEALED_BYTES:]:
            role = f"share of {self.member}'s secret"
            raise Fault(place.receiver, role, "another share", expected="the one it was dealt")


def seal_share(place: Place, key: bytes, share: bytes) -> bytes:
    """A cell: `share` under the channel key, and its commitment."""
    return ChaCha20Poly1305(key).encrypt(place.nonce, share, place.encoded) + place.commitment(share)


def open_share(place: Place, channel: Secret, cell: bytes) -> bytes:
    """The share in a cell. Raises Fault naming the dealer: it, or who passed the cell on, changed or moved it.

    What is not the share committed to is never passed on: its receiver would be blamed for it.
    """
    setup = place.setup
    key = channel_key(channel, setup.channel(place.dealer), setup.id, place.dealer, place.receiver)
    try:
        share = ChaCha20Poly1305(key).decrypt(place.nonce, cell[:SEALED_BYTES], place.encoded)
        shamir.read_share(share)
    except InvalidTag as error:
        expected = "the one sealed for this member, round and kind, unless the coordinator changed it"
        raise Fault(place.dealer, "sealed share", "one that does not open", expected=expected) from error
    except MessageError as error:
        raise Fault(place.dealer, "sealed share", error.got, expected=error.expected) from error
    if place.commitment(share) != cell[SEALED_BYTES:]:
        raise Fault(place.dealer, "sealed share", "another share", expected="the one committed to")
    return share


def _split(setup: Setup, number: int, kind: Kind, secrets: RoundSecrets) -> list[bytes]:
    plan = setup.plan
    size = shamir.COIN_BYTES
    drawn = coins(secrets.coins, setup.id, number, kind, (plan.threshold - 1) * size)
    parts = [drawn[at : at + size] for at in range(0, len(drawn), size)]
    return shamir.split(secrets.secret(kind), parts, plan.size)
