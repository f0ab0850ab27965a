"""What the coordinator says about a run: each finished round, and each document it publishes.

>>> averaged = {"bank-a": Averaged("aa" * 32, "bb" * 32)}
>>> said = RoundStatement("spring", "cc" * 32, "train", 1, "dd" * 32, averaged, "ee" * 32)
>>> RoundStatement.from_json(said.to_json()) == said
True

A `plan` has no statement: its entry is the signed plan itself (`federation.rounds.SignedPlan`). Whoever reads a
statement checks that the coordinator signed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from federation.ledger.release import ROUND_PHASES, Phase, Slot
from federation.oversight.fields import require_code, require_count, require_hash, require_keys, require_name
from protocols.errors import MessageError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement

PLAN, ROUND, MODEL, EVALUATION = "plan", "round", "model", "evaluation"


@dataclass(frozen=True)
class Averaged:
    """One update that went into a round: its hash, and that of the ledger's reserve entry that paid for it."""

    update_hash: str
    reservation_hash: str

    def __post_init__(self) -> None:
        require_hash("round.updates.update_hash", self.update_hash)
        require_hash("round.updates.reservation_hash", self.reservation_hash)

    @classmethod
    def from_json(cls, value: object) -> Averaged:
        return cls(**require_keys("round.updates", value, {"update_hash", "reservation_hash"}))


@dataclass(frozen=True)
class RoundStatement:
    """A finished round: which model went out, whose updates were averaged, which model came of it.

    model_hash   of the model that was sent
    updates      {institution: Averaged}, at least one
    result_hash  model hash of the average; empty for an evaluation, whose sum is published as a document
    refused      {institution: code} of the members whose answer was not taken
    sum_hash     of the sum that a training round opened under masks, hashed as an update is; empty where there are none

    Raises MessageError for anything else.
    """

    run_id: str
    plan_hash: str
    phase: Phase
    round: int
    model_hash: str
    updates: Mapping[str, Averaged]
    result_hash: str
    refused: Mapping[str, str] = field(default_factory=dict)
    sum_hash: str = ""

    def __post_init__(self) -> None:
        require_name("round.run_id", self.run_id)
        require_hash("round.plan_hash", self.plan_hash)
        if self.phase not in ROUND_PHASES:
            raise MessageError("round.phase", got=str(self.phase)[:20], expected=" or ".join(ROUND_PHASES))
        require_count("round.round", self.round)
        require_hash("round.model_hash", self.model_hash)
        require_hash("round.result_hash", self.result_hash, or_none=self.phase == "evaluate")
        require_hash("round.sum_hash", self.sum_hash, or_none=True)
        if not self.updates:
            raise MessageError("round.updates", got="none", expected="at least one")
        for name in (*self.updates, *self.refused):
            require_name("round.institution", name)
        for code in self.refused.values():
            require_code("round.refused", code)
        both = self.updates.keys() & self.refused.keys()
        if both:
            raise MessageError("round.refused", got=f"{min(both)}, whose update was averaged", expected="others")

    @property
    def slot(self) -> Slot:
        """Run, phase and round, as the ledgers name it."""
        return (self.run_id, self.phase, self.round)

    def entry(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this."""
        return Statement.sign(ROUND, self.to_json(), key).entry

    def to_json(self) -> dict[str, Any]:
        """What is masked alone has a sum: without one, nothing is said of it."""
        said = asdict(self)
        if not self.sum_hash:
            del said["sum_hash"]
        return said

    @classmethod
    def from_json(cls, value: object) -> RoundStatement:
        summed = isinstance(value, Mapping) and "sum_hash" in value
        found = require_keys(
            "round", value, {each.name for each in fields(cls)} - ({"sum_hash"} if not summed else set())
        )
        if summed:
            require_hash("round.sum_hash", found["sum_hash"])
        for name in ("updates", "refused"):
            if not isinstance(found[name], Mapping):
                raise MessageError(f"round.{name}", got=type(found[name]).__name__, expected="an object")
        updates = {name: Averaged.from_json(each) for name, each in found["updates"].items()}
        return cls(**{**found, "updates": updates, "refused": dict(found["refused"])})


@dataclass(frozen=True)
class Publication:
    """A document the coordinator published: a `model`, or the `evaluation` of one. Raises MessageError.

    model_hash     of the model's parameters (`PublishedModel.hash`)
    document_hash  SHA-256 of the published file's bytes
    card_hash      SHA-256 of the model card's JSON file; empty where there is none
    """

    run_id: str
    plan_hash: str
    model_hash: str
    document_hash: str
    card_hash: str = ""

    def __post_init__(self) -> None:
        require_name("publication.run_id", self.run_id)
        for name in ("plan_hash", "model_hash", "document_hash"):
            require_hash(f"publication.{name}", getattr(self, name))
        require_hash("publication.card_hash", self.card_hash, or_none=True)

    def entry(self, kind: Literal["model", "evaluation"], key: SigningKey) -> Entry:
        """The log entry in which `key` says this of a document of `kind`."""
        return Statement.sign(kind, self.to_json(), key).entry

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> Publication:
        return cls(**require_keys("publication", value, {each.name for each in fields(cls)}))
