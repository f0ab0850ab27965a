"""Who is a member, and who the regulator is: two kinds of statements by the coordinator, in force by their place.

    roster = Roster(coordinator_key)
    for entry in log:                       # in log order
        roster = roster.after(entry)
    roster.members["bank-a"].witness_key, roster.regulator

Whoever folds the same entries knows the same members: the coordinator's gate, a member's node, a regulator's verifier.
A member is one from the place where `member` says "admitted" to the place where it says "revoked".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement

_HEX_64 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
MAX_COUNT = 2**53 - 1
Standing = Literal["admitted", "revoked"]


@dataclass(frozen=True)
class _Content:
    """A statement's content whose fields are those of its JSON object."""

    kind: ClassVar[str]
    _renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})

    def to_json(self) -> dict[str, Any]:
        return {self._renamed.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Raises MessageError for another form."""
        names = {cls._renamed.get(field.name, field.name): field.name for field in fields(cls)}
        if set(value) != set(names):
            raise MessageError(cls.kind, got=f"{sorted(value)}"[:200], expected=f"{sorted(names)}")
        return cls(**{names[name]: content for name, content in value.items()})

    def sign(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this."""
        return Statement.sign(self.kind, self.to_json(), key).entry


@dataclass(frozen=True)
class MemberStatement(_Content):
    """`institution` is `standing` from here on. `witness_key` signs its cosignatures; "" where it has none."""

    kind: ClassVar[str] = "member"
    _renamed: ClassVar[Mapping[str, str]] = MappingProxyType({"standing": "from"})

    institution: str
    key: str
    witness_key: str
    nominal_records: int
    standing: Standing

    def __post_init__(self) -> None:
        _check("member.institution", isinstance(self.institution, str) and bool(_NAME.fullmatch(self.institution)))
        _check("member.key", _is_key(self.key))
        _check("member.witness_key", self.witness_key == "" or _is_key(self.witness_key))
        _check("member.nominal_records", _is_count(self.nominal_records) and self.nominal_records > 0)
        _check("member.from", self.standing in ("admitted", "revoked"))


@dataclass(frozen=True)
class RegulatorStatement(_Content):
    """Who oversees from here on. `beacon_anchor` is the last element of a SHA-256 hash chain of `chain_length` links."""

    kind: ClassVar[str] = "regulator"

    name: str
    key: str
    witness_key: str
    beacon_anchor: str
    chain_length: int

    def __post_init__(self) -> None:
        _check("regulator.name", isinstance(self.name, str) and bool(_NAME.fullmatch(self.name)))
        for name in ("key", "witness_key", "beacon_anchor"):
            _check(f"regulator.{name}", _is_key(getattr(self, name)))
        _check("regulator.chain_length", _is_count(self.chain_length))


@dataclass(frozen=True)
class Roster:
    """The members and the regulator at one place of the log, as `coordinator` said them."""

    coordinator: VerifyingKey
    members: Mapping[str, MemberStatement] = field(default_factory=lambda: MappingProxyType({}))
    regulator: RegulatorStatement | None = None

    def after(self, entry: Entry) -> Roster:
        """The roster after `entry`; entries of other kinds change nothing.

        Raises MessageError (form, a revocation of nobody) or SignatureError (not the coordinator's).
        """
        if entry.kind == RegulatorStatement.kind:
            return replace(self, regulator=RegulatorStatement.from_json(self._said(entry)))
        if entry.kind != MemberStatement.kind:
            return self
        said = MemberStatement.from_json(self._said(entry))
        others = {name: member for name, member in self.members.items() if name != said.institution}
        if said.standing == "admitted":
            return replace(self, members=MappingProxyType({**others, said.institution: said}))
        holder = self.members.get(said.institution)
        if holder is None or holder.key != said.key:
            raise MessageError("member.key", got=said.key, expected="the key of a member")
        return replace(self, members=MappingProxyType(others))

    @property
    def witness_keys(self) -> dict[str, VerifyingKey]:
        """By name: each member that has one, and the regulator. A key counts once, whoever claims it."""
        overseer = {} if self.regulator is None else {self.regulator.name: self.regulator.witness_key}
        members = {name: member.witness_key for name, member in sorted(self.members.items()) if member.witness_key}
        named = [*overseer.items(), *members.items()]
        holders = {key: name for name, key in reversed(named)}  # the first holder of a key stands
        return {name: VerifyingKey.from_hex(key) for key, name in holders.items()}

    def _said(self, entry: Entry) -> Mapping[str, Any]:
        statement = Statement.read(entry)
        if statement.signer != self.coordinator:
            raise SignatureError(
                f"{entry.kind}.signer", got=f"key {statement.signer.key_id}", expected=f"key {self.coordinator.key_id}"
            )
        return statement.content


def _check(where: str, holds: bool) -> None:
    if not holds:
        raise MessageError(where, got="a value outside its form", expected="as docs/oversight.md says")


def _is_key(value: object) -> bool:
    return isinstance(value, str) and bool(_HEX_64.fullmatch(value))


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT
