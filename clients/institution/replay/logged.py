"""What the log says of replays, as a home sees it: verified against a checkpoint that a quorum has cosigned.

with LogClient(home) as log:
    seen = LoggedReplays.read(log, VerifierKey.of(home.log_key), home.coordinator_key, time.time())
seen.draw(leaf)                    # the regulator's, in the log
seen.beacon_of(place)              # the first that covers this institution's commitment
seen.is_first(log, place)          # and no quorum had cosigned an earlier checkpoint that covers it
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from clients.institution.oversight.proved import read_proved
from federation.oversight.replay import BeaconStatement, Draw, Place, ReplayCommitment
from protocols.errors import MessageError, ProofError, ProtocolError, SignatureError, StageError
from protocols.replay import Beacon, first_covering
from protocols.signing import VerifyingKey
from protocols.transparency import (
    Entry,
    Quorum,
    Tile,
    VerifierKey,
)

NOT_FIRST = "beacon_not_first"  # a quorum had cosigned an earlier checkpoint with the commitment: a choice of beacons
_KINDS = (ReplayCommitment.kind, BeaconStatement.kind, Draw.kind)


class Log(Protocol):
    """What is asked of a log; `clients.institution.oversight.log_client.LogClient` is one."""

    def cosigned(self) -> bytes: ...
    def first_cosigned(self, after: int) -> bytes: ...
    def tile(self, tile: Tile) -> bytes: ...
    def entries(self, kind: str, start: int) -> Iterator[tuple[int, bytes]]: ...


@dataclass(frozen=True)
class LoggedReplays:
    """Entries by position, all of them proved to be in the tree of one cosigned checkpoint."""

    regulator: VerifyingKey
    anchor: bytes
    quorum: Quorum
    log_key: VerifierKey
    commitments: Sequence[tuple[int, Entry]]
    beacons: Sequence[Beacon]
    draws: Mapping[bytes, Entry]

    @classmethod
    def read(
        cls, log: Log, log_key: VerifierKey, coordinator: VerifyingKey, now: float, overseers: tuple[str, ...] = ()
    ) -> LoggedReplays:
        """Raises what `read_proved` raises, and StageError where no regulator has joined."""
        seen = read_proved(log, _KINDS, log_key, coordinator, now, overseers)
        roster, proved = seen.roster, seen.entries
        if roster.regulator is None:
            raise StageError("regulator", got="none in the log", expected="one that draws and reveals")
        regulator = VerifyingKey.from_hex(roster.regulator.key)
        beacons = [BeaconStatement.read(entry, regulator).beacon for _, entry in proved[BeaconStatement.kind]]
        return cls(
            regulator,
            bytes.fromhex(roster.regulator.beacon_anchor),
            roster.quorum,
            log_key,
            proved[ReplayCommitment.kind],
            beacons,
            {entry.hash: entry for _, entry in proved[Draw.kind]},
        )

    def draw(self, leaf: bytes, institution: str) -> Draw:
        """The draw with this leaf hash. Raises MessageError for one that is not there, or is another institution's."""
        entry = self.draws.get(leaf)
        if entry is None:
            raise MessageError("draw", got=f"{leaf.hex()[:16]}, not in the log", expected="one in the log")
        draw = Draw.read(entry, self.regulator)
        if draw.institution != institution:
            raise MessageError("draw.institution", got=draw.institution, expected=institution)
        return draw

    def committed(self, key: VerifyingKey, place: Place) -> ReplayCommitment | None:
        """The institution's FIRST commitment for an attempt: a second one would be a choice among seeds."""
        found = self._first(key, place)
        return None if found is None else found[1]

    def beacon_of(self, key: VerifyingKey, place: Place) -> Beacon | None:
        """The beacon of that commitment; None before there is one. Raises ProofError for beacons out of order."""
        found = self._first(key, place)
        if found is None:
            return None
        try:
            return first_covering(self.anchor, self.beacons, found[0])
        except StageError:
            return None

    def is_first(self, log: Log, key: VerifyingKey, place: Place) -> bool:
        """Whether that beacon is for the first checkpoint with the commitment that a quorum cosigned, by `log`."""
        found, beacon = self._first(key, place), self.beacon_of(key, place)
        if found is None or beacon is None:
            return False
        try:
            check_first(log.first_cosigned(found[0]), self.quorum, self.log_key, beacon)
        except ProofError:
            return False
        return True

    def _first(self, key: VerifyingKey, place: Place) -> tuple[int, ReplayCommitment] | None:
        return next((each for each in self._commitments(key) if each[1].place == place), None)

    def _commitments(self, key: VerifyingKey) -> Iterable[tuple[int, ReplayCommitment]]:
        for at, entry in self.commitments:
            try:
                yield at, ReplayCommitment.read(entry, key)
            except ProtocolError:
                continue  # another institution's


def check_first(note: bytes, quorum: Quorum, log_key: VerifierKey, beacon: Beacon) -> None:
    """Raises ProofError where `note`, the first of the log's that holds a commitment, is smaller than the tree that the
    commitment's beacon is for, and `quorum` cosigned it. A note that it did not cosign says nothing.
    """
    try:
        first = quorum.check(note, log_key).checkpoint
    except (MessageError, SignatureError):
        return
    if first.size < beacon.size:
        raise ProofError(NOT_FIRST, got=f"a checkpoint of {beacon.size}", expected=f"{first.size}, which was cosigned")
