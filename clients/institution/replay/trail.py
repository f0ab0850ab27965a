"""What the log says that this institution's replays rest on, read on as it grows.

trail = ReplayTrail("bank-a", own_key, coordinator_key)
trail.read(log)                          # whatever is new
trail.first(place)                       # where the log has this institution's commitment, and what it says
trail.beacon(position)                   # the first that covers that place
trail.draws()                            # of this institution's attempts, since the last call
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from federation.oversight.handover import HANDOVER
from federation.oversight.members import MEMBER, REGULATOR, ROSTER, Roster
from federation.oversight.replay import BeaconStatement, Draw, Place, ReplayCommitment
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError, StageError
from protocols.replay import Beacon, BeaconTrail
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, Quorum, Statement, read_entry

_log = get_logger("replay")


class Log(Protocol):
    """What is asked of a log here; `clients.institution.oversight.log_client.LogClient` is one."""

    def entries(self, kind: str, start: int) -> Iterator[tuple[int, bytes]]: ...


@dataclass(frozen=True)
class Drawn:
    """A draw of this institution's, as the regulator signed it."""

    draw: Draw
    entry: Entry


class ReplayTrail:
    """Entries are folded in the log's order; one thread. What a party may not say changes nothing."""

    def __init__(
        self, institution: str, key: VerifyingKey, coordinator: VerifyingKey, overseers: tuple[str, ...] = ()
    ) -> None:
        self._institution, self._key = institution, key
        self._roster = Roster(coordinator, overseers=overseers)
        self._next = dict.fromkeys((*ROSTER, ReplayCommitment.kind, BeaconStatement.kind, Draw.kind), 0)
        self._first: dict[Place, tuple[int, Entry, ReplayCommitment]] = {}
        self._beacons: BeaconTrail | None = None
        self._draws: list[Drawn] = []

    @property
    def overseen(self) -> bool:
        """Whether the log names a regulator, as far as it was read."""
        return self._roster.regulator is not None

    @property
    def quorum(self) -> Quorum:
        """Whose cosignatures make a checkpoint one that beacons are for, as far as it was read."""
        return self._roster.quorum

    def read(self, log: Log) -> None:
        """What was logged since the last time. Raises what the log's calls raise.

        The log grows while kind after kind is read. Once all were asked again, nothing is missing that is before the
        last entry of the first time, and no more is folded.
        """
        first = _fetch(log, self._next)
        if not first:
            return
        size, last = max(first)[0] + 1, {kind: at for at, kind, _ in first}
        second = _fetch(log, {kind: last.get(kind, start - 1) + 1 for kind, start in self._next.items()})
        for at, kind, data in sorted(each for each in (*first, *second) if each[0] < size):
            self._next[kind] = at + 1
            try:
                self._take(at, read_entry(data))
            except ProtocolError as error:
                _log.error("an entry of the log is not as it should be", kind=kind, code=type(error).__name__)

    def first(self, place: Place) -> tuple[int, Entry, ReplayCommitment] | None:
        """Position, entry and content of the first commitment for `place` under this institution's key."""
        return self._first.get(place)

    def beacon(self, position: int) -> Beacon:
        """The beacon of a commitment at `position`. Raises StageError while there is none."""
        if self._beacons is None:
            raise StageError("beacon", got="no regulator with a chain", expected="one in the log")
        return self._beacons.covering(position)

    def draws(self) -> tuple[Drawn, ...]:
        """Those not told before."""
        told, self._draws = tuple(self._draws), []
        return told

    def _take(self, at: int, entry: Entry) -> None:
        regulator = self._roster.regulator
        if entry.kind in (HANDOVER, MEMBER):
            self._roster = self._roster.after(entry, at)
        elif entry.kind == REGULATOR:
            self._roster = self._roster.after(entry, at)
            named = self._roster.regulator
            if named is not None and (regulator is None or named.beacon_anchor != regulator.beacon_anchor):
                self._beacons = BeaconTrail(bytes.fromhex(named.beacon_anchor))
        elif entry.kind == ReplayCommitment.kind:
            said = ReplayCommitment.from_json(Statement.read(entry).content)
            if said.institution == self._institution:
                said = ReplayCommitment.read(entry, self._key)
                self._first.setdefault(said.place, (at, entry, said))
        elif regulator is not None and self._beacons is not None:
            self._of_regulator(entry, VerifyingKey.from_hex(regulator.key), self._beacons)

    def _of_regulator(self, entry: Entry, key: VerifyingKey, beacons: BeaconTrail) -> None:
        if entry.kind == BeaconStatement.kind:
            beacons.follow(BeaconStatement.read(entry, key).beacon)
            return
        draw = Draw.read(entry, key)
        if draw.institution == self._institution:
            self._draws.append(Drawn(draw, entry))


def _fetch(log: Log, starts: Mapping[str, int]) -> list[tuple[int, str, bytes]]:
    return [(at, kind, data) for kind, start in starts.items() for at, data in log.entries(kind, start)]
