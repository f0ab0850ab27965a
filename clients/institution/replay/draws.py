"""HOME/replay/LEAF.draw: what the regulator drew; LEAF.result beside it is the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from federation.oversight.replay import Draw
from federation.runtime.private_files import private_directory, write_public
from protocols.transparency import Entry, Statement, read_entry


@dataclass(frozen=True)
class OpenDraw:
    """`leaf` (hex) is what `fedscore institution replay` is given."""

    leaf: str
    draw: Draw

    def __str__(self) -> str:
        place = self.draw.place
        return f"{self.leaf}  {place.phase} round {place.round} of {place.run_id}, attempt {place.attempt}"


def keep_draw(home: Path, entry: Entry) -> bool:
    """Remember a draw, whose signature was checked; False where it is known."""
    path = private_directory(home / "replay") / f"{entry.hash.hex()}.draw"
    if path.exists():
        return False
    write_public(path, entry.data, mode=0o600)
    return True


def forget_draw(home: Path, entry: Entry) -> None:
    """It names nothing that could be computed again: nobody is to wait for it."""
    (home / "replay" / f"{entry.hash.hex()}.draw").unlink(missing_ok=True)


def open_draws(home: Path) -> tuple[OpenDraw, ...]:
    """Draws without an answer, those that are due first before the others."""
    return tuple(sorted(_open(home), key=lambda each: (each.draw.deadline, each.leaf)))


def _open(home: Path) -> Iterator[OpenDraw]:
    for path in (home / "replay").glob("*.draw"):
        if not path.with_suffix(".result").exists() and not path.with_suffix(".kept").exists():
            yield OpenDraw(path.stem, Draw.from_json(Statement.read(read_entry(path.read_bytes())).content))
