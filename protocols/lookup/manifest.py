"""What names an epoch, and who signs it: layout_id -> epoch_id -> opening.

layout_id  the roster and every public key of the epoch; the layout is sorted by it
epoch_id   the layout itself and who audits; signed by ALL members, and logged, before any table is built
opening    the digests of the tables, their sum, its row signatures and the engine's hint; signed by every auditor

Roster and parameters come from epoch_id only, never from a field of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import from_hex, from_hex_map, integer, sized, take, text, to_hex_map, version_one
from protocols.lookup.mask_key import check_mask_key
from protocols.lookup.roster import Roster
from protocols.oprf.group import check_element
from protocols.signing import SigningKey, VerifyingKey

LAYOUT_LABEL = "fedscore/v1/lookup/layout-header"
EPOCH_LABEL = "fedscore/v1/lookup/epoch-header"
MEMBER_LABEL = "fedscore/v1/lookup/epoch-signature"
OPENING_LABEL = "fedscore/v1/lookup/opening"
LONGEST_CADENCES = 2
"""How long an epoch may last: what is not closed is not erased."""


@dataclass(frozen=True)
class LayoutHeader:
    """Fixed before the layout: roster, catalogue and model (SHA-256), and the fresh public keys of one epoch.

    pads: S_j of every member; masks: X25519 public key of every member; relay: L = z G.
    pool: under which every answer is signed, so that nobody can choose it once there is an answer.
    counter: one more than any epoch before.
    """

    roster_id: bytes
    catalogue: bytes
    model: bytes
    pads: Mapping[str, bytes]
    masks: Mapping[str, bytes]
    relay: bytes
    pool: VerifyingKey
    counter: int

    def __post_init__(self) -> None:
        for name in ("roster_id", "catalogue", "model"):
            sized(getattr(self, name), f"layout.{name}", 32)
        if list(self.pads) != sorted(self.pads) or list(self.pads) != list(self.masks):
            raise MessageError("layout.pads", got="another order", expected="the same institutions as masks, sorted")
        for institution, pad in self.pads.items():
            check_element(pad, f"pad key of {institution}")
            check_mask_key(self.masks[institution], f"mask key of {institution}")
        check_element(self.relay, "relay key")
        keys = [*self.pads.values(), self.relay]
        if len(set(keys)) != len(keys) or len(set(self.masks.values())) != len(self.masks):
            raise MessageError("layout keys", got="one that two parties share", expected="fresh ones of each party")
        integer(self.counter, "layout.counter", 1)

    def check(self, roster: Roster) -> None:
        """Raises MessageError unless this is a layout of `roster`, with the keys of all its members."""
        if self.roster_id != roster.id:
            raise MessageError("layout.roster_id", got=self.roster_id.hex()[:16], expected=roster.id.hex()[:16])
        if tuple(self.pads) != roster.institutions:
            raise MessageError("layout.pads", got="other institutions", expected="all members of the roster")

    @cached_property
    def id(self) -> bytes:
        """layout_id, 32 bytes."""
        return digest(LAYOUT_LABEL, canonical(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "roster_id": self.roster_id.hex(),
            "catalogue": self.catalogue.hex(),
            "model": self.model.hex(),
            "pads": to_hex_map(self.pads),
            "masks": to_hex_map(self.masks),
            "relay": self.relay.hex(),
            "pool": self.pool.hex,
            "counter": self.counter,
        }

    @classmethod
    def from_json(cls, value: Any) -> LayoutHeader:
        """Raises MessageError for anything but what `to_json` gives."""
        data = take(value, "layout", ("version", *cls.__dataclass_fields__))
        version_one(data["version"], "layout")
        return cls(
            roster_id=from_hex(data["roster_id"], "layout.roster_id", 32),
            catalogue=from_hex(data["catalogue"], "layout.catalogue", 32),
            model=from_hex(data["model"], "layout.model", 32),
            pads=from_hex_map(data["pads"], "layout.pads", 32),
            masks=from_hex_map(data["masks"], "layout.masks", 32),
            relay=from_hex(data["relay"], "layout.relay", 32),
            pool=VerifyingKey.from_hex(text(data["pool"], "layout.pool")),
            counter=integer(data["counter"], "layout.counter", 1),
        )


@dataclass(frozen=True)
class EpochHeader:
    """The layout and its shape, the auditors, and when the epoch opens and closes (unix seconds).

    subjects: points in the layout, dummies included; rows * slots holds them, the last row's rest is empty.
    """

    layout_id: bytes
    layout_digest: bytes
    auditors: tuple[str, ...]
    rows: int
    slots: int
    subjects: int
    opens_at: int
    closes_at: int

    def __post_init__(self) -> None:
        sized(self.layout_id, "epoch.layout_id", 32)
        sized(self.layout_digest, "epoch.layout_digest", 32)
        if not self.auditors or list(self.auditors) != sorted(set(self.auditors)):
            raise MessageError("epoch.auditors", got="another order", expected="institutions in order, each once")
        for field in ("rows", "slots", "subjects"):
            integer(getattr(self, field), f"epoch.{field}", 1, 2**40)
        if self.rows != -(-self.subjects // self.slots):
            raise MessageError("epoch.rows", got=self.rows, expected=f"{-(-self.subjects // self.slots)}")
        integer(self.opens_at, "epoch.opens_at")
        integer(self.closes_at, "epoch.closes_at", self.opens_at + 1)

    def check(self, layout: LayoutHeader, roster: Roster) -> None:
        """Raises MessageError unless this is an epoch of `layout`, audited by a quorum of `roster`."""
        if self.layout_id != layout.id:
            raise MessageError("epoch.layout_id", got=self.layout_id.hex()[:16], expected=layout.id.hex()[:16])
        if len(self.auditors) != roster.parameters.quorum:
            raise MessageError("epoch.auditors", got=len(self.auditors), expected=roster.parameters.quorum)
        longest = LONGEST_CADENCES * roster.parameters.cadence_s
        if self.closes_at - self.opens_at > longest:
            got = f"{self.closes_at - self.opens_at} s after it opens"
            raise MessageError("epoch.closes_at", got=got, expected=f"at most {longest} s: secrets are kept till then")
        for auditor in self.auditors:
            roster.member(auditor)

    @cached_property
    def id(self) -> bytes:
        """epoch_id, 32 bytes."""
        return digest(EPOCH_LABEL, canonical(self.to_json()))

    def sign(self, key: SigningKey) -> bytes:
        """A member's 64 bytes. It signs after its own checks only: keys, cadence, layout, dummies, positions."""
        return key.sign(MEMBER_LABEL, self.id)

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "layout_id": self.layout_id.hex(),
            "layout_digest": self.layout_digest.hex(),
            "auditors": list(self.auditors),
            **{name: getattr(self, name) for name in ("rows", "slots", "subjects", "opens_at", "closes_at")},
        }

    @classmethod
    def from_json(cls, value: Any) -> EpochHeader:
        """Raises MessageError for anything but what `to_json` gives."""
        data = take(value, "epoch", ("version", *cls.__dataclass_fields__))
        version_one(data["version"], "epoch")
        if not isinstance(data["auditors"], list):
            raise MessageError("epoch.auditors", got=type(data["auditors"]).__name__, expected="a list")
        numbers = {name: integer(data[name], f"epoch.{name}") for name in [field.name for field in fields(cls)][3:]}
        return cls(
            layout_id=from_hex(data["layout_id"], "epoch.layout_id", 32),
            layout_digest=from_hex(data["layout_digest"], "epoch.layout_digest", 32),
            auditors=tuple(text(auditor, "epoch.auditors") for auditor in data["auditors"]),
            **numbers,
        )


@dataclass(frozen=True)
class SignedEpoch:
    """Both headers and every member's signature: what the log holds before a table exists."""

    layout: LayoutHeader
    epoch: EpochHeader
    signatures: Mapping[str, bytes]

    def verify(self, roster: Roster) -> None:
        """Raises MessageError or SignatureError naming the member, unless all members of `roster` signed."""
        self.layout.check(roster)
        self.epoch.check(self.layout, roster)
        _verify_all(self.signatures, roster.institutions, roster, MEMBER_LABEL, self.epoch.id)

    def encode(self) -> bytes:
        layout, epoch = self.layout.to_json(), self.epoch.to_json()
        return canonical({"version": 1, "layout": layout, "epoch": epoch, "signatures": to_hex_map(self.signatures)})

    @classmethod
    def decode(cls, data: bytes) -> SignedEpoch:
        """Raises MessageError or EncodingError for anything but the bytes `encode` gives; `verify` comes after."""
        value = take(parse_canonical(data), "signed epoch", ("version", *cls.__dataclass_fields__))
        version_one(value["version"], "signed epoch")
        return cls(
            LayoutHeader.from_json(value["layout"]),
            EpochHeader.from_json(value["epoch"]),
            from_hex_map(value["signatures"], "signed epoch.signatures", 64),
        )


@dataclass(frozen=True)
class Opening:
    """What an auditor recomputed. `signatures_digest` covers the row signatures: they are part of what the pool scans,
    so an auditor that recomputes an answer needs the same ones."""

    epoch_id: bytes
    table_digests: Mapping[str, bytes]
    sum_digest: bytes
    signatures_digest: bytes
    hint_digest: bytes

    def __post_init__(self) -> None:
        for name in ("epoch_id", "sum_digest", "signatures_digest", "hint_digest"):
            sized(getattr(self, name), f"opening.{name}", 32)
        for institution, table in self.table_digests.items():
            sized(table, f"opening, table of {institution}", 32)

    def sign(self, key: SigningKey) -> bytes:
        return key.sign(OPENING_LABEL, self.encode())

    def encode(self) -> bytes:
        names = ("epoch_id", "sum_digest", "signatures_digest", "hint_digest")
        digests = {name: getattr(self, name).hex() for name in names}
        return canonical({"version": 1, "table_digests": to_hex_map(self.table_digests), **digests})

    @classmethod
    def decode(cls, data: bytes) -> Opening:
        value = take(parse_canonical(data), "opening", ("version", *cls.__dataclass_fields__))
        version_one(value.pop("version"), "opening")
        tables = from_hex_map(value.pop("table_digests"), "opening.table_digests", 32)
        return cls(table_digests=tables, **{name: from_hex(value[name], f"opening.{name}", 32) for name in value})


@dataclass(frozen=True)
class SignedOpening:
    """An opening and every auditor's signature: with it, an epoch answers queries."""

    opening: Opening
    signatures: Mapping[str, bytes]

    def verify(self, epoch: EpochHeader, roster: Roster) -> None:
        """Raises MessageError or SignatureError naming the auditor, unless the whole quorum signed for `epoch`."""
        if self.opening.epoch_id != epoch.id:
            got = self.opening.epoch_id.hex()[:16]
            raise MessageError("opening.epoch_id", got=got, expected=epoch.id.hex()[:16])
        if tuple(self.opening.table_digests) != roster.institutions:
            raise MessageError("opening.table_digests", got="other institutions", expected="all members")
        _verify_all(self.signatures, epoch.auditors, roster, OPENING_LABEL, self.opening.encode())


def _verify_all(
    signatures: Mapping[str, bytes], signers: tuple[str, ...], roster: Roster, label: str, payload: bytes
) -> None:
    for institution in signers:
        if institution not in signatures:
            raise SignatureError(f"signature of {institution}", got="none", expected="one of every signer")
        try:
            roster.member(institution).key.verify(label, payload, signatures[institution])
        except SignatureError as error:
            raise SignatureError(f"signature of {institution}", got=error.got, expected=error.expected) from error
    if len(signatures) != len(signers):
        strangers = ", ".join(sorted(set(signatures) - set(signers)))
        raise SignatureError("signatures", got=f"also of {strangers}", expected="of the signers alone")
