"""The keys that masks and noise of an attempt are drawn from: HKDF-SHA256 (RFC 5869), one key for each step.

    key = HKDF(IKM = seed, salt = beacon, info = label, run, phase, round, step, attempt, H(input model), plan hash,
               record root)

What two computations of one seed may differ in is in `info`. The input model above all: were it left out, a round asked
again with another model would draw the same noise, and the difference of the two updates would be free of it. Seed and
record root are committed to, the others are logged by the coordinator or counted by the ledger: nothing is in it that
the institution can still vary once it knows the beacon. Its own reservation is not: an institution writes that entry
itself, its time included, and could try times until it likes the noise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.canonical import canonical
from protocols.errors import MessageError

KEY_LABEL = "fedscore/v2/replay/step-key"
KEY_BYTES = 32
_HASHES = ("model_hash", "plan_hash", "record_root")


@dataclass(frozen=True)
class Context:
    """What a computation is of: hashes are 32 bytes in hexadecimal. Raises MessageError for a field out of range."""

    run_id: str
    phase: str
    round: int
    attempt: int
    model_hash: str
    plan_hash: str
    record_root: str

    def __post_init__(self) -> None:
        for name in _HASHES:
            value = getattr(self, name)
            if len(value) != 64 or value.strip("0123456789abcdef"):
                raise MessageError(f"replay.{name}", got=value[:70], expected="64 hexadecimal digits")
        if self.round < 0 or self.attempt < 1:
            raise MessageError("replay.round", got=f"{self.round}, attempt {self.attempt}", expected="from 0, from 1")


def step_key(seed: bytes, beacon: bytes, context: Context, step: int) -> bytes:
    """32 bytes: the key of `step` (from 0). Raises MessageError for a seed or beacon of another length."""
    for name, value in (("seed", seed), ("beacon", beacon)):
        if len(value) != KEY_BYTES:
            raise MessageError(f"replay.{name}", got=f"{len(value)} bytes", expected=f"{KEY_BYTES} bytes")
    info = KEY_LABEL.encode() + b"\x00" + canonical({**asdict(context), "step": step})
    return HKDF(SHA256(), KEY_BYTES, salt=beacon, info=info).derive(seed)
