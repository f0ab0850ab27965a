"""Beacons and draws: what the regulator says so that a round can be replayed. Pure.

progress.take(line, roster)                          # every entry, in log order
progress.uncovered(size)                             # whether a beacon is owed for a checkpoint of `size`
[draw for draw in progress.drawable(size) if drawn(secret, draw, rate)]

A draw must not be foreseen while the round is computed. The coin of an update is HMAC-SHA256 under a secret of this
home, over the update's place and the leaf hash of the round's statement: neither institution nor coordinator can
compute it, and a regulator that reveals the secret later shows that it chose nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field

from clients.regulator.line import Line
from federation.ledger.entries import Kind
from federation.ledger.release import ROUND_PHASES
from federation.oversight import ROUND, RoundStatement
from federation.oversight.members import Roster
from federation.oversight.replay import BeaconStatement, Draw, Place, ReplayCommitment
from protocols.canonical import canonical, digest
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey

COMMITMENT_LABEL = "fedscore/v1/regulator/draw-key"
_COIN = b"fedscore/v1/regulator/draw-coin"


@dataclass(frozen=True)
class Drawable:
    """An averaged update that can be replayed, said to be averaged at `position`; `leaf` is of that statement."""

    institution: str
    place: Place
    position: int
    leaf: bytes

    @property
    def slot(self) -> str:
        return slot_of(self.institution, self.place)

    def draw(self, deadline: int) -> Draw:
        place = self.place
        return Draw(self.institution, place.run_id, place.phase, place.round, place.attempt, deadline)


def slot_of(institution: str, place: Place) -> str:
    """Under which a draw is kept: an attempt is drawn once."""
    return f"draw/{institution}/{place.run_id}/{place.phase}/{place.round}/{place.attempt}"


def drawn(secret: bytes, update: Drawable, rate: float) -> bool:
    """Whether the coin of `update` falls below `rate`: a 64-bit number of the HMAC against rate x 2^64."""
    coin = hmac.digest(secret, _COIN + canonical([update.slot, update.leaf.hex()]), "sha256")
    return int.from_bytes(coin[:8], "big") < int(rate * 2**64)


def draw_commitment(secret: bytes) -> str:
    """What may be published of the secret beforehand (hex), so that it cannot be exchanged afterwards."""
    return digest(COMMITMENT_LABEL, secret).hex()


@dataclass
class ReplayProgress:
    """What the log holds of commitments, beacons and averaged updates; only what their parties signed counts."""

    commitments: dict[tuple[str, Place], int] = field(default_factory=dict)
    covered: int = 0
    revealed: int = 0  # elements of the chain that the log has
    updates: list[Drawable] = field(default_factory=list)
    _attempts: dict[str, tuple[str, Place]] = field(default_factory=dict)

    def take(self, line: Line, roster: Roster) -> None:
        """One entry; `roster` is the one at its place."""
        try:
            if line.signed is not None:
                self._reservation(line)
            elif line.entry is not None and line.kind == ReplayCommitment.kind:
                self._commitment(line, roster)
            elif line.entry is not None and line.kind == BeaconStatement.kind and roster.regulator is not None:
                said = BeaconStatement.read(line.entry, VerifyingKey.from_hex(roster.regulator.key))
                self.covered, self.revealed = max(self.covered, said.size), max(self.revealed, said.index)
            elif line.content is not None and line.kind == ROUND:
                self._round(line, RoundStatement.from_json(line.content))
        except ProtocolError:
            return  # the judge has named it

    def uncovered(self, size: int) -> bool:
        """Whether some commitment among the first `size` entries has no beacon yet."""
        oldest = self.oldest_uncovered()
        return oldest is not None and oldest < size

    def oldest_uncovered(self) -> int | None:
        """The place of the first commitment that has no beacon yet."""
        return min((position for position in self.commitments.values() if position >= self.covered), default=None)

    def drawable(self, size: int) -> Iterator[Drawable]:
        """Averaged updates among the first `size` entries that were committed to before."""
        return (update for update in self.updates if update.position < size)

    def _reservation(self, line: Line) -> None:
        assert line.signed is not None  # noqa: S101
        entry, release = line.signed.entry, line.signed.entry.release
        if entry.kind is Kind.RESERVE and release is not None and release.phase in ROUND_PHASES:
            place = Place(release.run_id, release.phase, release.round, release.attempt)
            self._attempts[line.signed.hash] = (entry.institution, place)

    def _commitment(self, line: Line, roster: Roster) -> None:
        assert line.entry is not None and line.content is not None  # noqa: S101, PT018
        said = ReplayCommitment.from_json(line.content)
        member = roster.members.get(said.institution)
        if member is not None:
            ReplayCommitment.read(line.entry, VerifyingKey.from_hex(member.key))
            self.commitments.setdefault((said.institution, said.place), line.index)

    def _round(self, line: Line, said: RoundStatement) -> None:
        for averaged in said.updates.values():
            reserved = self._attempts.pop(averaged.reservation_hash, None)
            if reserved is not None and reserved in self.commitments:
                self.updates.append(Drawable(*reserved, line.index, line.leaf))
