"""Which logged leaves a spot check opens: coins that neither who checks, nor who keeps the log, nor who asks chose.

    draw = Draw(seeds={"regulator": commit_seed(seed)}, rate=200_000, first=0, size=5_000)     # 1. commit, sign, log
    check_place(signed, index, path, root)                     # 2. the log has reached `size`, and its root is cosigned
    sample(draw, {"regulator": seed}, root, leaves)            # 3. reveal; everybody computes the same sample

Entry i is drawn if HMAC-SHA256(seed, root, i) < p 2^64 (first 64 bits, big endian). The seed is fixed before the root
is known and shown after it is cosigned. Who knows the seed and may log the last entry before `size` shapes the root:
the coordinator, if a regulator tells it, and the regulator itself, which logs statements of its own. So a draw may rest
on several seeds: then it takes all of their holders to choose a sample.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import ceil, expm1, log1p
from types import MappingProxyType
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, ProofError, SignatureError
from protocols.lookup.fields import from_hex_map, integer, sized, take, to_hex_map, version_one
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import frame, leaf_hash, verify_inclusion

KIND = "consent-draw"
SEED_BYTES = 32
MILLION = 1_000_000
MARGIN = 16
"""Entries that follow a draw in the log, at least: without them who commits last knows the root it commits before."""
MAX_BYTES = 8192
MAX_SEEDS = 16
_DRAW = "fedscore/v1/consent/draw"
_SEED = "fedscore/v1/consent/draw/seed"
_JOINT = "fedscore/v1/consent/draw/joint"
_COIN = b"fedscore/v1/consent/draw/coin\x00"


def commit_seed(seed: bytes) -> bytes:
    """H(seed), 32 bytes. It hides nothing unless `seed` is 32 random bytes."""
    sized(seed, "seed", SEED_BYTES)
    return digest(_SEED, seed)


@dataclass(frozen=True)
class Draw:
    """What is fixed before the coins fall. Raises MessageError naming the field.

    seeds: H(seed) by holder; rate: chance of each leaf in millionths; first, size: the leaves first <= i < size of the
    log are drawn from, by its root at exactly `size`, so that nobody picks a checkpoint afterwards.
    """

    seeds: Mapping[str, bytes]
    rate: int
    first: int
    size: int

    def __post_init__(self) -> None:
        if not 0 < len(self.seeds) <= MAX_SEEDS:
            raise MessageError("draw.seeds", got=len(self.seeds), expected=f"1 to {MAX_SEEDS}")
        for holder, commitment in self.seeds.items():
            if not 0 < len(holder) <= 64 or not holder.isprintable():
                raise MessageError("draw.seeds", got=f"{len(holder)} characters", expected="a name of 1 to 64")
            sized(commitment, f"draw.seeds.{holder}", 32)
        integer(self.rate, "draw.rate", 1, MILLION)
        integer(self.first, "draw.first")
        integer(self.size, "draw.size", self.first + 1)
        object.__setattr__(self, "seeds", MappingProxyType(dict(sorted(self.seeds.items()))))

    def to_json(self) -> dict[str, Any]:
        numbers = {"rate": self.rate, "first": self.first, "size": self.size}
        return {"version": 1, "seeds": to_hex_map(self.seeds), **numbers}

    @classmethod
    def from_json(cls, value: Any) -> Draw:
        fields = take(value, "draw", ("version", "seeds", "rate", "first", "size"))
        version_one(fields["version"], "draw")
        rate, first, size = (integer(fields[name], f"draw.{name}") for name in ("rate", "first", "size"))
        return cls(from_hex_map(fields["seeds"], "draw.seeds", 32), rate, first, size)

    def sign(self, key: SigningKey) -> bytes:
        """One holder's signature, 64 bytes."""
        return key.sign(_DRAW, canonical(self.to_json()))


@dataclass(frozen=True)
class SignedDraw:
    """A draw and the signatures of all holders of its seeds; `encode` gives the body that is logged under KIND."""

    draw: Draw
    signatures: Mapping[str, bytes]

    def verify(self, keys: Mapping[str, VerifyingKey]) -> None:
        """Raises SignatureError unless exactly the holders named by `keys` committed and signed."""
        for what, names in (("seeds", self.draw.seeds.keys()), ("signatures", self.signatures.keys())):
            if names != keys.keys():
                raise SignatureError(f"draw, {what}", got=", ".join(sorted(names)), expected=", ".join(sorted(keys)))
        for holder, key in keys.items():
            self.verify_holder(holder, key)

    def verify_holder(self, holder: str, key: VerifyingKey) -> None:
        """Raises SignatureError unless `holder` committed to a seed and `key` signed in its name."""
        if holder not in self.draw.seeds or holder not in self.signatures:
            raise SignatureError("draw", got=", ".join(sorted(self.signatures))[:200], expected=f"one of {holder}")
        key.verify(_DRAW, canonical(self.draw.to_json()), self.signatures[holder])

    def encode(self) -> bytes:
        return canonical({"draw": self.draw.to_json(), "signatures": to_hex_map(self.signatures)})

    @classmethod
    def decode(cls, data: bytes) -> SignedDraw:
        """NOT yet verified. Raises MessageError or EncodingError."""
        if len(data) > MAX_BYTES:
            raise MessageError("draw", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "signed draw", ("draw", "signatures"))
        return cls(Draw.from_json(fields["draw"]), from_hex_map(fields["signatures"], "draw.signatures", 64))

    @property
    def hash(self) -> bytes:
        """Its leaf hash in the log."""
        return leaf_hash(frame(KIND, self.encode()))


def check_place(signed: SignedDraw, index: int, path: Sequence[bytes], root: bytes) -> None:
    """Raises ProofError unless the draw is entry `index` of the log, MARGIN entries or more before its size.

    `root`: of the log at exactly the draw's size. That it belongs to a cosigned checkpoint, of this size or a later
    one, is the caller's to check (`Quorum.check`, `verify_consistency`).
    """
    size = signed.draw.size
    if index + MARGIN >= size:
        raise ProofError("draw", got=f"entry {index} of {size}", expected=f"{MARGIN} entries after it, or more")
    verify_inclusion(path, signed.hash, index, size, root)


def check_alone(draw: Draw, waiting: Iterable[Draw]) -> None:
    """Raises ProofError if one of those whose seeds are awaited, where `draw` is logged, is on the same leaves.

    Who commits to many draws on the same leaves sees the sample of each before it reveals one, and has chosen.
    """
    for other in waiting:
        if draw.first < other.size and other.first < draw.size:
            got = f"leaves {draw.first} to {draw.size}, with a draw on {other.first} to {other.size} that is open"
            raise ProofError("draw", got=got, expected="one after the other: the seeds of that one first")


def joint_seed(draw: Draw, seeds: Mapping[str, bytes]) -> bytes:
    """The key of the coins, 32 bytes. Raises ProofError naming a holder that reveals none, or another."""
    for holder in sorted(draw.seeds.keys() | seeds.keys()):
        if holder not in seeds or holder not in draw.seeds:
            got = "no seed" if holder in draw.seeds else "a seed without a commitment"
            raise ProofError(f"seed of {holder}", got=got, expected="the one that was committed to")
        if len(seeds[holder]) != SEED_BYTES or commit_seed(seeds[holder]) != draw.seeds[holder]:
            raise ProofError(f"seed of {holder}", got="another seed", expected="the one that was committed to")
    return digest(_JOINT, b"".join(seeds[holder] for holder in draw.seeds))


def drawn(seed: bytes, root: bytes, index: int, rate: int) -> bool:
    """Whether entry `index` is drawn: a coin of chance rate / 10^6, less than 2^-64 below it. 2 microseconds."""
    coin = hmac.digest(seed, _COIN + root + index.to_bytes(8, "big"), sha256)
    return int.from_bytes(coin[:8], "big") < (rate << 64) // MILLION


def sample(draw: Draw, seeds: Mapping[str, bytes], root: bytes, leaves: Iterable[int]) -> tuple[int, ...]:
    """Which of `leaves` (positions in the log of the inquiries to draw from) are to be opened, in order.

    Raises ProofError as `joint_seed`, MessageError for a leaf outside of the draw or a root of another form.
    """
    sized(root, "root", 32)
    key = joint_seed(draw, seeds)
    ordered = sorted(set(leaves))
    for outside in (*ordered[:1], *ordered[-1:]):
        integer(outside, "leaf", draw.first, draw.size - 1)
    return tuple(index for index in ordered if drawn(key, root, index, draw.rate))


def detection(forged: int, rate: int) -> float:
    """The chance to draw at least one of `forged` inquiries: 1 - (1 - p)^forged, whatever their number among others."""
    return 1 - (1 - rate / MILLION) ** forged


def rate_for(forged: int, chance: float) -> int:
    """The smallest rate, in millionths, that draws one of `forged` with at least `chance`. Raises MessageError."""
    if forged < 1 or not 0 < chance < 1:
        raise MessageError("chance", got=f"{chance} of {forged}", expected="0 < chance < 1, of one or more")
    rate = min(MILLION, ceil(-MILLION * expm1(log1p(-chance) / forged)))
    while detection(forged, rate) < chance:  # the estimate may be a step off, either way
        rate += 1
    while rate > 1 and detection(forged, rate - 1) >= chance:
        rate -= 1
    return rate
