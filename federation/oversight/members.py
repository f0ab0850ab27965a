"""Who is a member, and who the regulator is: two kinds of statements by the coordinator, in force by their place.

    roster = Roster(coordinator_key)
    for entry in log:                       # in log order
        roster = roster.after(entry)
    roster.members["bank-a"].key, roster.quorum.check(note, log_key)

Whoever folds the same entries knows the same members: the coordinator's gate, a member's node, a regulator's verifier.
A member is one from the place where `member` says "admitted" to the place where it says "revoked".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from federation.oversight.fields import require_count, require_hash, require_keys, require_name
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Quorum, Statement, WitnessVerifier

MEMBER, REGULATOR = "member", "regulator"
Standing = Literal["admitted", "revoked"]


def _require_key(name: str, value: object) -> None:
    require_hash(name, value)
    try:
        VerifyingKey.from_hex(str(value))
    except SignatureError as error:
        raise MessageError(name, got=error.got, expected=error.expected) from error


@dataclass(frozen=True)
class MemberStatement:
    """`institution` is `standing` from here on; in JSON that field is called "from". Raises MessageError.

    key, witness_key  Ed25519, hexadecimal: signs everything else; signs cosignatures ("": it is no witness)
    """

    institution: str
    key: str
    witness_key: str
    nominal_records: int
    standing: Standing

    def __post_init__(self) -> None:
        require_name("member.institution", self.institution)
        _require_key("member.key", self.key)
        if self.witness_key != "":
            _require_key("member.witness_key", self.witness_key)
        require_count("member.nominal_records", self.nominal_records, 1)
        if self.standing not in ("admitted", "revoked"):
            raise MessageError("member.from", got=str(self.standing)[:20], expected="admitted or revoked")

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        return {"from": content.pop("standing"), **content}

    @classmethod
    def from_json(cls, value: object) -> MemberStatement:
        found = dict(require_keys("member", value, {"institution", "key", "witness_key", "nominal_records", "from"}))
        return cls(standing=found.pop("from"), **found)

    def entry(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this."""
        return Statement.sign(MEMBER, self.to_json(), key).entry


@dataclass(frozen=True)
class RegulatorStatement:
    """Who oversees from here on; `beacon_anchor` is the last element of a SHA-256 chain of `chain_length` links.

    Raises MessageError. Keys are Ed25519, hexadecimal.
    """

    name: str
    key: str
    witness_key: str
    beacon_anchor: str
    chain_length: int

    def __post_init__(self) -> None:
        require_name("regulator.name", self.name)
        for name in ("key", "witness_key"):
            _require_key(f"regulator.{name}", getattr(self, name))
        require_hash("regulator.beacon_anchor", self.beacon_anchor)
        require_count("regulator.chain_length", self.chain_length)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> RegulatorStatement:
        return cls(**require_keys("regulator", value, set(cls.__dataclass_fields__)))

    def entry(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this."""
        return Statement.sign(REGULATOR, self.to_json(), key).entry


@dataclass(frozen=True)
class Roster:
    """The members and the regulator at one place of the log, as `coordinator` said them.

    `overseers` are the witness keys (hex) of every regulator that was ever named. Each stays required: the coordinator
    alone says who the regulator is, and must not, by naming another, do without the one that watches it.
    """

    coordinator: VerifyingKey
    members: Mapping[str, MemberStatement] = field(default_factory=lambda: MappingProxyType({}))
    regulator: RegulatorStatement | None = None
    overseers: tuple[str, ...] = ()

    def after(self, entry: Entry) -> Roster:
        """The roster after `entry`; entries of other kinds change nothing.

        Raises MessageError (form, a revocation of nobody) or SignatureError (not the coordinator's).
        """
        if entry.kind == REGULATOR:
            named = RegulatorStatement.from_json(self._said(entry))
            overseers = tuple(dict.fromkeys([*self.overseers, named.witness_key]))
            return replace(self, regulator=named, overseers=overseers)
        if entry.kind != MEMBER:
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
    def witnesses(self) -> tuple[WitnessVerifier, ...]:
        """The regulators' and each member's that has one. A key counts once, whoever claims it."""
        members = (member.witness_key for _, member in sorted(self.members.items()) if member.witness_key)
        keys = dict.fromkeys([*self.overseers, *members])
        return tuple(WitnessVerifier.of(VerifyingKey.from_hex(key)) for key in keys)

    @property
    def quorum(self) -> Quorum:
        """Who must cosign a checkpoint: enough of all witnesses, and everybody who was ever named as regulator.

        Raises MessageError while there is no witness.
        """
        witnesses = self.witnesses
        return Quorum.of(witnesses, required=witnesses[: len(self.overseers)])

    def _said(self, entry: Entry) -> Mapping[str, Any]:
        statement = Statement.read(entry)
        if statement.signer != self.coordinator:
            raise SignatureError(
                f"{entry.kind}.signer", got=f"key {statement.signer.key_id}", expected=f"key {self.coordinator.key_id}"
            )
        return statement.content
