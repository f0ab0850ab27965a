"""An opening on its way to the regulator: sealed to the key that the draw's seeds were revealed with.

    sealed = SealedOpening.of(answer, draw=draw_leaf, querier="bank-a", key=seeds.key)      # `encode` goes anywhere
    answer = SealedOpening.decode(data).open(regulator_key)                                 # then verify, then judge

HPKE (RFC 9180) as for pads. Draw, leaf and querier are bound to the sealed bytes, so that none serves for another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.canonical import canonical, parse_canonical
from protocols.consent.opening import MAX_BYTES as MAX_OPENING
from protocols.consent.opening import SignedOpening
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, sized, take, text, version_one
from protocols.lookup.seal import OVERHEAD, open_sealed, seal

MAX_SEALED = 96 + MAX_OPENING + OVERHEAD
MAX_BYTES = 2 * MAX_SEALED + 1024
_SEAL = b"fedscore/v1/consent/opening-seal\x00"


@dataclass(frozen=True)
class SealedOpening:
    """draw: leaf hash of the draw; leaf_hash: of the inquiry; 32 bytes each. Raises MessageError."""

    draw: bytes
    leaf_hash: bytes
    querier: str
    sealed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        sized(self.draw, "opening.draw", 32)
        sized(self.leaf_hash, "opening.leaf_hash", 32)
        if not 0 < len(self.querier) <= 64 or not self.querier.isprintable():
            raise MessageError("opening.querier", got=f"{len(self.querier)} characters", expected="1 to 64, printable")
        if not OVERHEAD < len(self.sealed) <= MAX_SEALED:
            raise MessageError("opening", got=f"{len(self.sealed)} bytes", expected=f"at most {MAX_SEALED}")

    @classmethod
    def of(cls, answer: SignedOpening, *, draw: bytes, querier: str, key: bytes) -> SealedOpening:
        """`key`: X25519, of the draw's seeds. Raises MessageError for one of small order."""
        info = _info(draw, answer.leaf_hash, querier)
        return cls(draw, answer.leaf_hash, querier, seal(key, answer.encode(), info))

    def open(self, key: X25519PrivateKey) -> SignedOpening:
        """NOT yet verified. Raises MessageError for what was not sealed to this key for this draw, leaf and querier."""
        answer = SignedOpening.decode(open_sealed(key, self.sealed, _info(self.draw, self.leaf_hash, self.querier)))
        if answer.leaf_hash != self.leaf_hash:
            raise MessageError("opening.leaf_hash", got=answer.leaf_hash.hex()[:16], expected=self.leaf_hash.hex()[:16])
        return answer

    def encode(self) -> bytes:
        return canonical(
            {
                "version": 1,
                "draw": self.draw.hex(),
                "leaf_hash": self.leaf_hash.hex(),
                "querier": self.querier,
                "sealed": self.sealed.hex(),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> SealedOpening:
        """Raises MessageError or EncodingError."""
        if len(data) > MAX_BYTES:
            raise MessageError("opening", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "sealed opening", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "sealed opening")
        sealed = text(fields["sealed"], "opening.sealed")
        return cls(
            from_hex(fields["draw"], "opening.draw", 32),
            from_hex(fields["leaf_hash"], "opening.leaf_hash", 32),
            text(fields["querier"], "opening.querier"),
            from_hex(sealed, "opening.sealed", len(sealed) // 2),
        )


def _info(draw: bytes, leaf_hash: bytes, querier: str) -> bytes:
    return _SEAL + draw + leaf_hash + querier.encode()
