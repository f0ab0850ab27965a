"""The ombudsman's seed beside the regulator's in a spot check: neither chooses the sample, nor with the coordinator.

    second = SecondSeed(home.path, key, "november")
    second.commitment()                              # 1. H(seed), to the regulator, which writes the draw with both
    second.sign(draw)                                # 2. one draw for one seed, and no other
    second.reveal(entries, note, ...)                # 3. once the log itself shows the draw, and a quorum its size

Papers go by file; what they say is public once it is said. Seeds follow from HOME/keys/inquiry.key and the draw's name.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from federation.errors import ConfigurationError
from federation.inquiries.log_leaves import LoggedLeaves
from federation.oversight.fields import require_name
from federation.oversight.inquiries import DRAW, OMBUDSMAN, REGULATOR
from federation.runtime.private_files import keep_private, private_directory, read_private
from protocols.canonical import canonical, parse_canonical
from protocols.consent.draw import MARGIN, Draw, SignedDraw, commit_seed
from protocols.errors import MessageError, ProtocolError, StageError
from protocols.lookup.fields import from_hex, take, text, version_one
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import VerifierKey, read_entry

MAX_BYTES = 1024
_SEED = b"fedscore/v1/ombudsman/inquiry-seed\x00"


class Said(StrEnum):
    """What a paper says."""

    COMMITMENT = "commitment"
    SIGNATURE = "signature"
    SEED = "seed"


@dataclass(frozen=True)
class SeedPaper:
    """From the ombudsman to the regulator, about the draw of this name: 32 bytes, a signature has 64."""

    draw: str
    said: Said
    value: bytes

    def __post_init__(self) -> None:
        require_name("paper.draw", self.draw)
        size = 64 if self.said is Said.SIGNATURE else 32
        if len(self.value) != size:
            raise MessageError("paper.value", got=f"{len(self.value)} bytes", expected=f"{size} bytes")

    def encode(self) -> bytes:
        return canonical({"version": 1, "draw": self.draw, "said": str(self.said), "value": self.value.hex()})

    @classmethod
    def decode(cls, data: bytes) -> SeedPaper:
        """Raises MessageError or EncodingError."""
        if len(data) > MAX_BYTES:
            raise MessageError("paper", got=f"{len(data)} bytes", expected=f"at most {MAX_BYTES}")
        fields = take(parse_canonical(data), "paper", ("version", "draw", "said", "value"))
        version_one(fields["version"], "paper")
        if fields["said"] not in tuple(Said):
            raise MessageError("paper.said", got=str(fields["said"])[:20], expected=", ".join(Said))
        value = text(fields["value"], "paper.value")
        return cls(
            text(fields["draw"], "paper.draw"), Said(fields["said"]), from_hex(value, "paper.value", len(value) // 2)
        )


@dataclass(frozen=True)
class SecondSeed:
    """The ombudsman's part in the draw `name`; `home`: its folder, `key`: under which draws are signed."""

    home: Path
    key: SigningKey
    name: str

    def __post_init__(self) -> None:
        require_name("name of the draw", self.name)

    def commitment(self) -> SeedPaper:
        return SeedPaper(self.name, Said.COMMITMENT, commit_seed(self._seed))

    def sign(self, draw: Draw) -> SeedPaper:
        """Raises ConfigurationError for a draw without this seed or the regulator's, or another than was signed."""
        if draw.seeds.get(OMBUDSMAN) != commit_seed(self._seed) or draw.seeds.keys() != {REGULATOR, OMBUDSMAN}:
            raise ConfigurationError(self.name, got="a draw with other seeds", expected="the regulator's and this one")
        known = canonical(draw.to_json())
        if read_private(keep_private(self._file, lambda: known)) != known:
            raise ConfigurationError(
                self.name, got="another draw", expected="the one that was signed: a seed serves once"
            )
        return SeedPaper(self.name, Said.SIGNATURE, draw.sign(self.key))

    def reveal(
        self,
        entries: Iterable[bytes],
        note: bytes,
        *,
        log: VerifyingKey,
        coordinator: VerifyingKey,
        now: float,
    ) -> SeedPaper:
        """The seed, where `entries` are the whole log under `note`, cosigned by a quorum, and hold the signed draw.

        Raises ConfigurationError for a name under which no draw was signed, StageError before the log has the draw's
        size, or for a draw that lies too near it; MessageError or SignatureError for another log.
        """
        if not self._file.exists():
            raise ConfigurationError(self.name, got="no draw that was signed", expected="one: `--draw` first")
        draw = Draw.from_json(parse_canonical(read_private(self._file)))
        logged, place = LoggedLeaves(coordinator, b"", lambda *_: False), None
        for index, data in enumerate(entries):
            logged.take(data)
            if place is None and data.endswith(b'"kind":"%b","v":1}' % DRAW.encode()) and self._is(draw, data):
                place = index
        size = logged.check(note, VerifierKey.of(log), now).checkpoint.size
        if place is None or size < draw.size or place + MARGIN >= draw.size:
            got = f"the draw at entry {place} of {size}"
            raise StageError("seed", got=got, expected=f"{MARGIN} entries after it, or more, and {draw.size} in all")
        return SeedPaper(self.name, Said.SEED, self._seed)

    def _is(self, draw: Draw, data: bytes) -> bool:
        try:
            signed = SignedDraw.decode(read_entry(data).body)
            signed.verify_holder(OMBUDSMAN, self.key.public)
        except ProtocolError:
            return False
        return signed.draw == draw

    @property
    def _file(self) -> Path:
        return private_directory(self.home / "draws") / f"{self.name}.json"

    @property
    def _seed(self) -> bytes:
        secret = read_private(keep_private(self.home / "keys" / "inquiry.key", lambda: os.urandom(32).hex().encode()))
        return hmac.digest(
            from_hex(secret.decode(errors="replace"), "keys/inquiry.key", 32), _SEED + self.name.encode(), "sha256"
        )
