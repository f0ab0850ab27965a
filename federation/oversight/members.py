"""Who is a member, and who the regulator is: two kinds of statements by the coordinator, in force by their place.

    roster = Roster(coordinator_key)
    for index, entry in enumerate(log):     # in log order
        roster = roster.after(entry, index)
    roster.members["bank-a"].key, roster.quorum.check(note, log_key)

A third kind is the regulator's own: it hands its witness key over (`federation.oversight.handover`).

Whoever folds the same entries knows the same members: the coordinator's gate, a member's node, a regulator's verifier.
A member is one from the place where `member` says "admitted" to the place where it says "revoked".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from federation.oversight.fields import require_count, require_hash, require_keys, require_name
from federation.oversight.handover import HANDOVER, Handover
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Quorum, Statement, Succession, WitnessVerifier

MEMBER, REGULATOR = "member", "regulator"
ROSTER = (HANDOVER, REGULATOR, MEMBER)  # read in this order while the log grows, no handover precedes its regulator
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

    `overseers` are the witness keys (hex) of every regulator that was ever named, and those they were handed over to.
    Each stays required until it hands over itself: the coordinator alone says who the regulator is, and must not, by
    naming another, do without the one that watches it. A reader may begin with those that it remembers.

    `named` are the witness keys (hex) that the log itself ever gave to anybody: none of them is handed to another.
    """

    coordinator: VerifyingKey
    members: Mapping[str, MemberStatement] = field(default_factory=lambda: MappingProxyType({}))
    regulator: RegulatorStatement | None = None
    overseers: tuple[str, ...] = ()
    successions: tuple[Succession, ...] = ()
    named: frozenset[str] = frozenset()

    def after(self, entry: Entry, index: int) -> Roster:
        """The roster after `entry`, which stands at `index`; entries of other kinds change nothing.

        Raises MessageError (form, a revocation of nobody, a key that is not the regulator's to hand over, or was handed
        over) or SignatureError (not the coordinator's, not of both keys).
        """
        if entry.kind == HANDOVER:
            return self._handed_over(Handover.read(entry, self.coordinator), index)
        if entry.kind == REGULATOR:
            return self._named(RegulatorStatement.from_json(self._said(entry)))
        if entry.kind != MEMBER:
            return self
        said = MemberStatement.from_json(self._said(entry))
        others = {name: member for name, member in self.members.items() if name != said.institution}
        if said.standing == "admitted":
            members = MappingProxyType({**others, said.institution: said})
            return replace(self, members=members, named=self.named | ({said.witness_key} - {""}))
        holder = self.members.get(said.institution)
        if holder is None or holder.key != said.key:
            raise MessageError("member.key", got=said.key, expected="the key of a member")
        return replace(self, members=MappingProxyType(others))

    def holder(self, witness_key: str) -> str:
        """Whose cosignature (hex) counts now for that of `witness_key`: its own, or its last successor's."""
        heirs = {each.old.key.hex: each.new.key.hex for each in self.successions}
        while witness_key in heirs:
            witness_key = heirs[witness_key]
        return witness_key

    @property
    def witnesses(self) -> tuple[WitnessVerifier, ...]:
        """The regulators' and each member's that has one, as of now. A key counts once, whoever claims it."""
        return tuple(dict.fromkeys(_verifier(self.holder(witness.key.hex)) for witness in self._first_witnesses))

    @property
    def quorum(self) -> Quorum:
        """Who must cosign a checkpoint: enough of all witnesses, and everybody who was ever named as regulator.

        Raises MessageError while there is no witness.
        """
        witnesses = self._first_witnesses
        quorum = Quorum.of(witnesses, required=witnesses[: len(self._first_overseers)])
        return replace(quorum, successions=self.successions)

    @property
    def _first_overseers(self) -> tuple[str, ...]:
        """Those that came by no handover."""
        heirs = {each.new.key.hex for each in self.successions}
        return tuple(key for key in self.overseers if key not in heirs)

    @property
    def _first_witnesses(self) -> tuple[WitnessVerifier, ...]:
        handed = {key.key.hex for each in self.successions for key in (each.old, each.new)}
        keys = (member.witness_key for _, member in sorted(self.members.items()))
        members = (key for key in keys if key and key not in handed)
        return tuple(_verifier(key) for key in dict.fromkeys([*self._first_overseers, *members]))

    def _named(self, said: RegulatorStatement) -> Roster:
        if self.holder(said.witness_key) != said.witness_key:
            expected = f"{self.holder(said.witness_key)}, which it was handed over to"
            raise MessageError("regulator.witness_key", got=said.witness_key, expected=expected)
        overseers = tuple(dict.fromkeys([*self.overseers, said.witness_key]))
        return replace(self, regulator=said, overseers=overseers, named=self.named | {said.witness_key})

    def _handed_over(self, said: Handover, index: int) -> Roster:
        """1. the old key is a regulator's, 2. and has not been handed over; 3. the new one was never anybody's."""
        old, new = said.old.hex, said.new.hex
        if old not in self.overseers:
            raise MessageError("handover.old", got=old, expected="the witness key of a regulator")
        if self.holder(old) != old:
            got = f"{old}, which was handed over to {self.holder(old)}"
            raise MessageError("handover.old", got=got, expected="a key that holds")
        if new in self.named:
            raise MessageError("handover.new", got=new, expected="a key that is no other witness's, and never was")
        regulator = self.regulator
        if regulator is not None and regulator.witness_key == old:
            regulator = replace(regulator, witness_key=new)
        succession = Succession(_verifier(old), _verifier(new), index)
        overseers = tuple(dict.fromkeys([*self.overseers, new]))
        successions, named = (*self.successions, succession), self.named | {old, new}
        return replace(self, regulator=regulator, overseers=overseers, successions=successions, named=named)

    def _said(self, entry: Entry) -> Mapping[str, Any]:
        statement = Statement.read(entry)
        if statement.signer != self.coordinator:
            raise SignatureError(
                f"{entry.kind}.signer", got=f"key {statement.signer.key_id}", expected=f"key {self.coordinator.key_id}"
            )
        return statement.content


def _verifier(key: str) -> WitnessVerifier:
    return WitnessVerifier.of(VerifyingKey.from_hex(key))
