"""What a private score query ends with: exactly one of four values, and never half a score.

Scored        the joint score, with everything it rests on
ThinFile      members know the subject, none of them enough
NoHit         no member knows the subject
Unavailable   there is no answer; who is at fault and why. Never a score from part of the members.

outcome = from_json(outcome.to_json())
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

from protocols.errors import MessageError
from protocols.lookup.fields import integer, take, text

MAX_REASONS = 4
_TEXT = 200
_SLACK = 1e-6  # points: parts are floating-point numbers


@dataclass(frozen=True)
class Freshness:
    """How old an answer is: the epoch that it comes from.

    epoch     hexadecimal epoch_id
    counter   number of the epoch
    as_of     unix seconds at which its records were fixed (the epoch opened); closes_at: until when it stands
    model     hexadecimal SHA-256 of the published model
    """

    epoch: str
    counter: int
    as_of: int
    closes_at: int
    model: str

    def __post_init__(self) -> None:
        for name in ("epoch", "model"):
            _sha256(getattr(self, name), f"freshness.{name}")
        integer(self.counter, "freshness.counter", 1)
        integer(self.as_of, "freshness.as_of")
        integer(self.closes_at, "freshness.closes_at", self.as_of + 1)

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_json(cls, value: Any) -> Freshness:
        return cls(**take(value, "freshness", cls.__dataclass_fields__))


@dataclass(frozen=True)
class Reason:
    """A dimension that counts against the subject: the points it costs against the reference, and its families.

    A joint sum has five parts and no more, so it names the dimension; `families` are the catalogue's reasons in it.
    """

    dimension: str
    points: float
    families: tuple[str, ...]

    def __post_init__(self) -> None:
        text(self.dimension, "reason.dimension")
        _number(self.points, "reason.points", 0.0)
        if not self.dimension or not all(isinstance(family, str) and family for family in self.families):
            raise MessageError("reason", got="an empty name", expected="a dimension and its families")

    def to_json(self) -> dict[str, Any]:
        return {"dimension": self.dimension, "points": self.points, "families": list(self.families)}

    @classmethod
    def from_json(cls, value: Any) -> Reason:
        content = take(value, "reason", cls.__dataclass_fields__)
        return cls(content["dimension"], content["points"], tuple(_list(content["families"], "reason.families")))


@dataclass(frozen=True)
class Scored:
    """One score over everything that `members` institutions know of the subject.

    score      points, clamped to the scale; `unclamped` before; `band` its name
    parts      points per dimension, summing to `unclamped`; None for a model that is not additive
    reasons    at most four, heaviest first
    members    institutions whose records are in it, at least one; `own`: the querier's record of today is among them
    reference  what reasons are measured from: "average subject" or "neutral point"
    calibrated whether the rule's slope and centre come from the federation's evaluation of the model
    """

    kind: ClassVar[str] = "scored"
    score: float = field(repr=False)
    unclamped: float = field(repr=False)
    band: str = field(repr=False)
    parts: Mapping[str, float] | None = field(repr=False)
    reasons: tuple[Reason, ...] = field(repr=False)
    members: int
    own: bool
    freshness: Freshness
    reference: str = "neutral point"
    calibrated: bool = False

    def __post_init__(self) -> None:
        for name in ("score", "unclamped"):
            _number(getattr(self, name), f"scored.{name}")
        if not isinstance(self.band, str) or not self.band:
            raise MessageError("scored.band", got="none", expected="the band of the score")
        integer(self.members, "scored.members", 1)
        _flag(self.own, "scored.own")
        _flag(self.calibrated, "scored.calibrated")
        text(self.reference, "scored.reference")
        self._check_parts()
        if len(self.reasons) > MAX_REASONS or not all(isinstance(reason, Reason) for reason in self.reasons):
            raise MessageError("scored.reasons", got=len(self.reasons), expected=f"at most {MAX_REASONS}")
        points = [reason.points for reason in self.reasons]
        if points != sorted(points, reverse=True):
            raise MessageError("scored.reasons", got="another order", expected="heaviest first")
        if not isinstance(self.freshness, Freshness):
            raise MessageError("scored.freshness", got="none", expected="the epoch of the answer")

    def _check_parts(self) -> None:
        if self.parts is None:
            if self.reasons:
                raise MessageError("scored.reasons", got="reasons without parts", expected="none")
            return
        total = sum(_number(value, f"scored.parts.{name}") for name, value in self.parts.items())
        if abs(total - self.unclamped) > _SLACK:
            raise MessageError("scored.parts", got="another sum", expected="the score before clamping")

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": self.kind,
            "score": self.score,
            "unclamped": self.unclamped,
            "band": self.band,
            "parts": None if self.parts is None else dict(self.parts),
            "reasons": [reason.to_json() for reason in self.reasons],
            "members": self.members,
            "own": self.own,
            "freshness": self.freshness.to_json(),
            "reference": self.reference,
            "calibrated": self.calibrated,
        }

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> Scored:
        reasons = tuple(Reason.from_json(reason) for reason in _list(content.pop("reasons"), "scored.reasons"))
        parts = content.pop("parts")
        if parts is not None and not isinstance(parts, dict):
            raise MessageError("scored.parts", got=type(parts).__name__, expected="an object or null")
        return cls(reasons=reasons, parts=parts, freshness=Freshness.from_json(content.pop("freshness")), **content)


@dataclass(frozen=True)
class ThinFile:
    """`members` institutions know the subject, and none of them knows enough of the catalogue to speak."""

    kind: ClassVar[str] = "thin_file"
    members: int
    own: bool
    freshness: Freshness

    def __post_init__(self) -> None:
        integer(self.members, "thin_file.members", 1)
        _flag(self.own, "thin_file.own")

    def to_json(self) -> dict[str, Any]:
        own = {"members": self.members, "own": self.own}
        return {"outcome": self.kind, **own, "freshness": self.freshness.to_json()}

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> ThinFile:
        return cls(freshness=Freshness.from_json(content.pop("freshness")), **content)


@dataclass(frozen=True)
class NoHit:
    """No member knows the subject, and the signatures of the auditors say so."""

    kind: ClassVar[str] = "no_hit"
    freshness: Freshness

    def to_json(self) -> dict[str, Any]:
        return {"outcome": self.kind, "freshness": self.freshness.to_json()}

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> NoHit:
        return cls(Freshness.from_json(content["freshness"]))


@dataclass(frozen=True)
class Unavailable:
    """There is no answer. `party`: who did not deliver (an institution, "relay", "pool", "log"); `reason`: why."""

    kind: ClassVar[str] = "unavailable"
    party: str
    reason: str

    def __post_init__(self) -> None:
        for name in ("party", "reason"):
            value = text(getattr(self, name), f"unavailable.{name}")
            if not value.strip() or len(value) > _TEXT:
                raise MessageError(f"unavailable.{name}", got=f"{len(value)} characters", expected=f"1 to {_TEXT}")

    def to_json(self) -> dict[str, Any]:
        return {"outcome": self.kind, "party": self.party, "reason": self.reason}

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> Unavailable:
        return cls(**content)


Outcome: TypeAlias = Scored | ThinFile | NoHit | Unavailable
_KINDS: dict[str, type[Scored | ThinFile | NoHit | Unavailable]] = {
    kind.kind: kind for kind in (Scored, ThinFile, NoHit, Unavailable)
}


def from_json(value: Any) -> Outcome:
    """The outcome that `to_json` wrote. Raises MessageError for anything else."""
    kind = value.get("outcome") if isinstance(value, dict) else None
    found = _KINDS.get(kind) if isinstance(kind, str) else None
    if found is None:
        raise MessageError("outcome", got=str(kind)[:40], expected=", ".join(_KINDS))
    content = take(value, found.kind, ("outcome", *(each.name for each in fields(found))))
    del content["outcome"]
    return found._from_json(content)


def _sha256(value: Any, field: str) -> None:
    if len(text(value, field)) != 64 or not set(value) <= set("0123456789abcdef"):
        raise MessageError(field, got="something else", expected="64 hexadecimal digits")


def _number(value: Any, field: str, least: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise MessageError(field, got=type(value).__name__, expected="a finite number")
    return float(value)


def _flag(value: Any, field: str) -> None:
    if not isinstance(value, bool):
        raise MessageError(field, got=type(value).__name__, expected="true or false")


def _list(value: Any, field: str) -> list[Any]:
    if not isinstance(value, list):
        raise MessageError(field, got=type(value).__name__, expected="a list")
    return value
