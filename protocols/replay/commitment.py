"""What is said of a round before it: a commitment to its seed, and a digest of the code that will run.

>>> SeedSecret(bytes(32), bytes(32)).commitment.hex()[:16]
'9ebe74b69bb5a4fa'
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from protocols.canonical import canonical, digest
from protocols.errors import MessageError, ProofError

SEED_LABEL = "fedscore/v1/replay/seed"
ROOT_LABEL = "fedscore/v1/replay/record-root"
CODE_LABEL = "fedscore/v1/replay/code"
SEED_BYTES = NONCE_BYTES = 32


@dataclass(frozen=True)
class SeedSecret:
    """A seed and the nonce that hides it: 32 uniform bytes each, for one attempt. Raises MessageError for others.

    The commitment is SHA-256 under a label over both. It binds (two openings would be a collision) and hides (256 bits
    of the nonce stand between it and any guess of the seed).
    """

    seed: bytes = field(repr=False)
    nonce: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for name, length in (("seed", SEED_BYTES), ("nonce", NONCE_BYTES)):
            if len(getattr(self, name)) != length:
                raise MessageError(f"replay.{name}", got=f"{len(getattr(self, name))} bytes", expected=f"{length}")

    @property
    def commitment(self) -> bytes:
        """32 bytes, to be logged."""
        return digest(SEED_LABEL, self.seed + self.nonce)

    def hide(self, record_root: bytes) -> bytes:
        """32 bytes to be logged for the root of the record set: another for every attempt.

        The root itself would tell whoever reads the log whether a single record has changed between two rounds.
        """
        return digest(ROOT_LABEL, self.nonce + record_root)

    def check(self, commitment: bytes) -> None:
        """Raises ProofError unless this is what `commitment` was made of."""
        if not hmac.compare_digest(self.commitment, commitment):
            raise ProofError("replay.seed", got="another seed", expected="the one committed to")


def code_digest(files: Mapping[str, bytes], versions: Mapping[str, str]) -> bytes:
    """32 bytes: the digest of source files by name, and of the versions they run with."""
    sums = {name: sha256(data).hexdigest() for name, data in files.items()}
    return digest(CODE_LABEL, canonical({"files": sums, "versions": dict(versions)}))
