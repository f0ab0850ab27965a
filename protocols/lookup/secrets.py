"""A member's secrets of one epoch: the pad key s_j and the X25519 key of its pairwise masks.

They are drawn for one epoch, bound to ONE epoch_id and ONE snapshot of the records before the first byte of a table
leaves the house, and erased when the epoch closes. The same secrets under another snapshot are a two-time pad: the
difference of two tables shows what changed. Kept into a later epoch, they turn one ticket into a subscription.

Erasing: Python copies bytes as it pleases and cannot overwrite them, so a process that held a secret may hold it until
it ends, and a disk may keep deleted blocks. What counts is that the private file is gone and the process has ended.
The protocol needs one honest member that erases, not all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError, StageError
from protocols.lookup.fields import from_hex, sized, take, text, version_one
from protocols.lookup.manifest import EpochHeader, LayoutHeader
from protocols.oprf.group import Random, base, check_scalar, random_scalar

_PAIR = b"fedscore/v1/lookup/mask-pair"


@dataclass(frozen=True)
class Binding:
    """The one epoch and the one snapshot (its digest) these secrets may pad."""

    epoch_id: bytes
    snapshot: bytes

    def __post_init__(self) -> None:
        sized(self.epoch_id, "binding.epoch_id", 32)
        sized(self.snapshot, "binding.snapshot", 32)


@dataclass(frozen=True)
class EpochSecrets:
    """s_j (a scalar), x_j (32 bytes) and what they are bound to. Never printed."""

    institution: str
    pad: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    bound: Binding | None = None

    def __post_init__(self) -> None:
        check_scalar(self.pad, "pad key")
        sized(self.mask, "mask key", 32)

    @classmethod
    def generate(cls, institution: str, random: Random) -> EpochSecrets:
        """Fresh secrets, bound to nothing yet."""
        return cls(institution, random_scalar(random), random(32))

    @property
    def pad_public(self) -> bytes:
        """S_j = s_j G."""
        return base(self.pad)

    @property
    def mask_public(self) -> bytes:
        """X25519 public key (RFC 7748), 32 bytes."""
        return X25519PrivateKey.from_private_bytes(self.mask).public_key().public_bytes_raw()

    def check_named(self, layout: LayoutHeader) -> None:
        """Raises MessageError unless `layout` names these very keys for this institution: before signing an epoch."""
        for name, published, own in (
            ("pad key", layout.pads, self.pad_public),
            ("mask key", layout.masks, self.mask_public),
        ):
            if published.get(self.institution) != own:
                raise MessageError(f"{name} of {self.institution}", got="another", expected="the one it published")

    def bind(self, epoch: EpochHeader, snapshot: bytes) -> EpochSecrets:
        """These secrets bound to `epoch` and the digest of a snapshot: to be stored before a table is built.

        Binding again to the same is a restart, and gives the same. Raises StageError for another epoch or snapshot.
        """
        wanted = Binding(epoch.id, snapshot)
        if self.bound not in (None, wanted):
            what = "epoch" if self.bound.epoch_id != epoch.id else "snapshot of the records"
            raise StageError(
                f"secrets of {self.institution}", got=f"another {what}", expected="the one they pad already"
            )
        return replace(self, bound=wanted)

    def mask_seeds(self, layout: LayoutHeader) -> dict[str, bytes]:
        """The seed shared with every other member: HKDF-SHA256(X25519(x_i, X_j), salt layout_id), 32 bytes.

        Raises MessageError naming the member whose key has small order (RFC 7748, section 6.1).
        """
        own = X25519PrivateKey.from_private_bytes(self.mask)
        seeds = {}
        for peer, public in layout.masks.items():
            if peer == self.institution:
                continue
            try:
                shared = own.exchange(X25519PublicKey.from_public_bytes(public))
            except ValueError as error:
                raise MessageError(f"mask key of {peer}", got="a point of small order", expected="another") from error
            pair = "\0".join(sorted((self.institution, peer))).encode()
            seeds[peer] = HKDF(SHA256(), 32, salt=layout.id, info=_PAIR + b"\0" + pair).derive(shared)
        return seeds

    def encode(self) -> bytes:
        """For the institution's private file, and nowhere else."""
        bound = None
        if self.bound is not None:
            bound = {"epoch_id": self.bound.epoch_id.hex(), "snapshot": self.bound.snapshot.hex()}
        pad, mask = self.pad.hex(), self.mask.hex()
        return canonical({"version": 1, "institution": self.institution, "pad": pad, "mask": mask, "bound": bound})

    @classmethod
    def decode(cls, data: bytes) -> EpochSecrets:
        """Raises MessageError or EncodingError for anything but the bytes `encode` gives."""
        value = take(parse_canonical(data), "epoch secrets", ("version", *cls.__dataclass_fields__))
        version_one(value["version"], "epoch secrets")
        bound = value["bound"]
        if bound is not None:
            names = take(bound, "binding", ("epoch_id", "snapshot"))
            bound = Binding(**{name: from_hex(names[name], f"binding.{name}", 32) for name in names})
        pad, mask = (from_hex(value[name], f"epoch secrets.{name}", 32) for name in ("pad", "mask"))
        return cls(text(value["institution"], "institution"), pad, mask, bound)
