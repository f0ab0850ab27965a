"""Replay in the log: what is committed to before a round, the beacon, what the regulator draws, what came out.

>>> draw = Draw("bank-a", "spring", "train", 3, 1, deadline=1_900_000_000)
>>> Draw.from_json(draw.to_json()) == draw
True

Order in the log is part of what is said: a commitment lies before its beacon, a draw after the round. Who signed is
checked by whoever reads: commitments and results the institution, beacons and draws the regulator.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self, get_args

from federation.ledger.release import PHASES, Phase
from federation.oversight.fields import require_code, require_count, require_hash, require_keys, require_name
from federation.oversight.said import Said
from protocols.errors import MessageError
from protocols.replay import Beacon

ABORTED = (
    "attempt_aborted"  # the finding of a drawn attempt of which nothing was released: there is no update to compare
)


@dataclass(frozen=True)
class Place:
    """Which computation of which run: `attempt` counts the ledger's reservations of a round, from 1."""

    run_id: str
    phase: Phase
    round: int
    attempt: int

    def __post_init__(self) -> None:
        require_name("replay.run_id", self.run_id)
        if self.phase not in PHASES:
            raise MessageError("replay.phase", got=str(self.phase)[:20], expected=" or ".join(get_args(Phase)))
        require_count("replay.round", self.round)
        require_count("replay.attempt", self.attempt, least=1)


@dataclass(frozen=True)
class _OfAttempt(Said):
    institution: str
    run_id: str
    phase: Phase
    round: int
    attempt: int

    def __post_init__(self) -> None:
        require_name(f"{self.kind}.institution", self.institution)
        _ = self.place

    @property
    def place(self) -> Place:
        return Place(self.run_id, self.phase, self.round, self.attempt)


@dataclass(frozen=True)
class ReplayCommitment(_OfAttempt):
    """Before a round: the seed that is sealed, the records it will run on, the code that will run. Hashes in hex.

    seed_commitment  `protocols.replay.SeedSecret.commitment`
    record_root      `protocols.replay.SeedSecret.hide` of the record set's root
    code_digest      `protocols.replay.code_digest`
    """

    kind: ClassVar[str] = "replay-commitment"

    seed_commitment: str
    record_root: str
    code_digest: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("seed_commitment", "record_root", "code_digest"):
            require_hash(f"{self.kind}.{name}", getattr(self, name))


@dataclass(frozen=True)
class BeaconStatement(Said):
    """The regulator reveals element `index` of its chain for the cosigned checkpoint of `size` entries and `root`."""

    kind: ClassVar[str] = "beacon"

    size: int
    root: str
    index: int
    preimage: str

    def __post_init__(self) -> None:
        require_count("beacon.size", self.size, least=1)
        require_count("beacon.index", self.index, least=1)
        for name in ("root", "preimage"):
            require_hash(f"beacon.{name}", getattr(self, name))

    @property
    def beacon(self) -> Beacon:
        return Beacon(self.size, bytes.fromhex(self.root), self.index, bytes.fromhex(self.preimage))


@dataclass(frozen=True)
class Draw(_OfAttempt):
    """The regulator wants an attempt replayed; its seed must be kept until `deadline`, Unix time (s)."""

    kind: ClassVar[str] = "draw"

    deadline: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("draw.deadline", self.deadline)


@dataclass(frozen=True)
class ReplayResult(_OfAttempt):
    """What the institution found when it computed a drawn attempt again.

    draw         leaf hash of the draw
    update_hash  of the update computed again; empty where it could not be
    findings     codes of what does not agree; none where everything does
    code_digest  of the code that replayed
    """

    kind: ClassVar[str] = "replay-result"

    draw: str
    update_hash: str
    code_digest: str
    findings: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "findings", tuple(self.findings))
        require_hash("replay-result.draw", self.draw)
        require_hash("replay-result.update_hash", self.update_hash, or_none=bool(self.findings))
        require_hash("replay-result.code_digest", self.code_digest)
        for code in self.findings:
            require_code("replay-result.findings", code)

    @property
    def matches(self) -> bool:
        """Bit for bit, on the records and with the code that were committed to."""
        return not self.findings

    @property
    def aborted(self) -> bool:
        """It says that nothing was released, which ledger and rounds bear out or not."""
        return self.findings == (ABORTED,)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "findings": list(self.findings), "matches": self.matches}

    @classmethod
    def from_json(cls, value: object) -> Self:
        found = dict(require_keys(cls.kind, value, {*(each.name for each in fields(cls)), "matches"}))
        matches, findings = found.pop("matches"), found["findings"]
        if not isinstance(findings, list | tuple) or matches is not (not findings):
            raise MessageError("replay-result.matches", got=str(matches)[:20], expected="true without findings only")
        return cls(**found)
