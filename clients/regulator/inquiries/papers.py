"""What the ombudsman handed over for a draw, and the draw as it is to be signed: HOME/inquiries/NAME.

    papers = Papers(folder, "november", ombudsman_key)
    papers.take(data)                       # in any order; each once
    papers.seeds, papers.signature(draw), papers.seed(draw)

draw.json        the draw, fixed before it is signed        commitment.json, signature.json, seed.json   the ombudsman's
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from federation.errors import ConfigurationError
from federation.inquiries.second_seed import Said, SeedPaper
from federation.oversight.inquiries import OMBUDSMAN
from federation.runtime.private_files import private_directory, read_private, write_public
from protocols.canonical import canonical, parse_canonical
from protocols.consent.draw import Draw, SignedDraw, commit_seed
from protocols.errors import MessageError, StageError
from protocols.signing import VerifyingKey


@dataclass(frozen=True)
class Papers:
    """`ombudsman`: whose seed is in the draw beside the regulator's; None: nobody's, and nothing is awaited."""

    parent: Path
    name: str
    ombudsman: VerifyingKey | None

    @property
    def folder(self) -> Path:
        return private_directory(self.parent / self.name)

    def take(self, data: bytes) -> None:
        """Keep a paper. Raises ConfigurationError for one of another draw, or that says else than was kept."""
        paper = SeedPaper.decode(data)
        if paper.draw != self.name or self.ombudsman is None:
            expected = f"one for {self.name}, of the ombudsman that policy.toml names (keys.ombudsman)"
            raise ConfigurationError("--ombudsman", got=f"a paper for {paper.draw}", expected=expected)
        file = self.folder / f"{paper.said}.json"
        if not file.exists():
            write_public(file, data, mode=0o600)
        elif read_private(file) != data:
            raise ConfigurationError(
                str(file), got=f"another {paper.said}", expected="the one that was handed in first"
            )

    def draw(self, make: Callable[[], Draw]) -> Draw:
        """The draw of this name: the first that was made, where it waits for a signature."""
        if self.ombudsman is None:
            return make()
        if not self.file.exists():
            write_public(self.file, canonical(make().to_json()), mode=0o600)
        return Draw.from_json(parse_canonical(read_private(self.file)))

    @property
    def file(self) -> Path:
        """The draw to be signed."""
        return self.folder / "draw.json"

    def commitments(self) -> dict[str, bytes]:
        """The ombudsman's, by holder. Raises ConfigurationError while it is not there."""
        if self.ombudsman is None:
            return {}
        found = self._read(Said.COMMITMENT)
        if found is None:
            expected = f"the paper of `fedscore ombudsman seed {self.name}`: policy.toml names an ombudsman"
            raise ConfigurationError("--ombudsman", got="no commitment", expected=expected)
        return {OMBUDSMAN: found}

    def signatures(self, draw: Draw) -> dict[str, bytes]:
        """Raises StageError while it is not there, SignatureError for another draw's."""
        if self.ombudsman is None:
            return {}
        found = self._read(Said.SIGNATURE)
        if found is None:
            raise StageError("draw", got="no signature", expected=f"the ombudsman's, of {self.file}")
        SignedDraw(draw, {OMBUDSMAN: found}).verify_holder(OMBUDSMAN, self.ombudsman)
        return {OMBUDSMAN: found}

    def seeds(self, draw: Draw) -> dict[str, str]:
        """In hexadecimal. Raises StageError while it is not there, MessageError for one that was not committed to."""
        if OMBUDSMAN not in draw.seeds:
            return {}
        found = self._read(Said.SEED)
        if found is None:
            raise StageError("seeds", got="none of the ombudsman's", expected="its paper, now that the log is there")
        if commit_seed(found) != draw.seeds[OMBUDSMAN]:
            raise MessageError("seed of the ombudsman", got="another", expected="the one that was committed to")
        return {OMBUDSMAN: found.hex()}

    def _read(self, said: Said) -> bytes | None:
        file = self.folder / f"{said}.json"
        return SeedPaper.decode(read_private(file)).value if file.exists() else None
