"""The inquirers file: who inquired about one person, as her wallet found it out and verified it, with what shows it.

    SignedInquirers.sign(told, key, identity, salt).write(path)      # the wallet
    signed = SignedInquirers.read(path)                              # her institution: `--inquirers FILE`
    signed.check(identifier, anchors, now).inquiries                 # those about her, and of her list all

JSON: {"inquirers": {"version": 1, "log": ..., "size": ..., "root": ..., "range": ..., "holders": {NAME: Y_i},
"inquiries": [{"leaf": ..., "querier": ..., "purpose": ..., "inquiry": "hard" | "soft" | "unknown", "epoch": ...,
"issued_at": ..., "index": ..., "evidence": {...}}]}, "identity": ..., "salt": ..., "signature": ...}. It names nobody,
yet whoever has it can verify a guess: it is written for its owner's eyes (0600).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from federation.errors import ConfigurationError
from federation.inquiries.showing import Anchors, Evidence
from federation.runtime.private_files import write_public
from protocols.canonical import canonical
from protocols.consent.identity import SignedIdentity
from protocols.consent.receipt import Subject
from protocols.errors import MessageError, ProofError, ProtocolError, SignatureError
from protocols.lookup.fields import from_hex, from_hex_map, integer, take, text, to_hex_map, unix_time, version_one
from protocols.oprf.group import SIZE, Element, hash_to_group
from protocols.oprf.joint_key import joint_public
from protocols.signing import SigningKey

UNKNOWN: Final = "unknown"
Kind = Literal["hard", "soft", "unknown"]
_KINDS = ("hard", "soft", UNKNOWN)
_MAX_BYTES = 2**26
_LABEL = "fedscore/v1/consent/inquirers"


@dataclass(frozen=True)
class Inquirer:
    """One inquiry about her. Raises MessageError naming the field.

    leaf: the leaf's hash in the log, 64 hexadecimal digits; inquiry: by the receipt in her wallet, "unknown" where it
    holds none of that number; epoch: its number, 0 where the log does not show it; issued_at: Unix seconds, the
    querier's word; index: its place in the log. Kind and epoch are her wallet's word; the rest `evidence` shows.
    """

    leaf: str
    querier: str
    purpose: str
    inquiry: Kind
    epoch: int
    issued_at: int
    index: int
    evidence: Evidence = field(repr=False)

    def __post_init__(self) -> None:
        from_hex(self.leaf, "inquirer.leaf", 32)
        for name in ("querier", "purpose"):
            if not 0 < len(text(getattr(self, name), f"inquirer.{name}")) <= 64:
                raise MessageError(f"inquirer.{name}", got=len(getattr(self, name)), expected="1 to 64 characters")
        if self.inquiry not in _KINDS:
            raise MessageError("inquirer.inquiry", got=self.inquiry, expected=", ".join(_KINDS))
        for name in ("epoch", "index"):
            integer(getattr(self, name), f"inquirer.{name}")
        unix_time(self.issued_at, "inquirer.issued_at")

    def check(self, holders: Mapping[str, Element], person: Element, anchors: Anchors, now: float) -> None:
        """Raises MessageError, SignatureError or ProofError unless it is an inquiry about `person`, as it says."""
        signed = self.evidence.check(self.index, holders, person, anchors, now)
        said = (self.leaf, self.querier, self.purpose, self.issued_at)
        leaf = signed.leaf
        if said != (signed.hash.hex(), leaf.querier, leaf.purpose, leaf.issued_at):
            raise ProofError("leaf", got="another one", expected="the one that is logged")

    def told(self) -> dict[str, Any]:
        """What a person reads."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "evidence"}

    def to_json(self) -> dict[str, Any]:
        return self.told() | {"evidence": self.evidence.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> Inquirer:
        fields = take(value, "inquirer", cls.__dataclass_fields__)
        return cls(**fields | {"evidence": Evidence.from_json(fields["evidence"])})


@dataclass(frozen=True)
class Inquirers:
    """All inquiries about her among the first `size` entries of the log, whose root is `root` (hex).

    log: its origin; range: "all", or which of them were asked about, in words; holders: Y_i by name. log,
    size, root and range are her wallet's word: nothing shows what it did not ask about, or left out.
    """

    log: str
    size: int
    root: str
    range: str
    holders: Mapping[str, Element]
    inquiries: tuple[Inquirer, ...]

    def __post_init__(self) -> None:
        text(self.log, "inquirers.log")
        integer(self.size, "inquirers.size")
        text(self.range, "inquirers.range")
        from_hex(self.root, "inquirers.root", 32)

    def told(self) -> dict[str, Any]:
        """What a person reads."""
        fields = {name: getattr(self, name) for name in ("log", "size", "root", "range")}
        return fields | {"inquiries": [each.told() for each in self.inquiries]}

    def to_json(self) -> dict[str, Any]:
        fields = {"version": 1} | self.told() | {"holders": to_hex_map(self.holders)}
        return fields | {"inquiries": [each.to_json() for each in self.inquiries]}

    @classmethod
    def from_json(cls, value: Any) -> Inquirers:
        fields = take(value, "inquirers", ("version", *cls.__dataclass_fields__))
        version_one(fields.pop("version"), "inquirers")
        found = fields.pop("inquiries")
        if not isinstance(found, list):
            raise MessageError("inquirers.inquiries", got=type(found).__name__, expected="a list")
        fields["holders"] = from_hex_map(fields["holders"], "inquirers.holders", SIZE)
        return cls(**fields, inquiries=tuple(Inquirer.from_json(each) for each in found))


@dataclass(frozen=True)
class SignedInquirers:
    """Her list under her wallet's key, which an authority states for her; `salt` opens the statement to who knows her.

    With the signature nobody adds to it or leaves out of it but herself; with the evidence not even she adds to it.
    """

    inquirers: Inquirers
    identity: SignedIdentity
    salt: bytes = field(repr=False)
    signature: bytes

    @classmethod
    def sign(cls, told: Inquirers, key: SigningKey, identity: SignedIdentity, salt: bytes) -> SignedInquirers:
        """Raises SignatureError for a key that `identity` does not state."""
        if identity.statement.key != key.public:
            raise SignatureError("inquirers", got=f"key {key.public.key_id}", expected="the one that is stated")
        return cls(told, identity, salt, key.sign(_LABEL, canonical(told.to_json())))

    def check(self, identifier: bytes, anchors: Anchors, now: float) -> Inquirers:
        """1. She signed the list, by an authority's word for her key; 2. the holders are those of the oversight key;
        3. every inquiry is logged, once, by whom it says, and about her. `identifier` as it is hashed; now: Unix s.

        Raises ConsentRefused (unknown_key), MessageError, SignatureError, or ProofError naming the inquiry.
        """
        told = self.inquirers
        known = self.identity.key_of(Subject(identifier, self.salt), anchors.authorities, int(now))
        known.verify(_LABEL, canonical(told.to_json()), self.signature)
        if joint_public(told.holders.values()) != anchors.oversight:
            raise ProofError("holders", got="another joint key", expected="the oversight key of the roster")
        if len({each.index for each in told.inquiries}) < len(told.inquiries):
            raise MessageError("inquiries", got="one twice", expected="each once")
        person = hash_to_group(identifier)
        for number, each in enumerate(told.inquiries):
            try:
                each.check(told.holders, person, anchors, now)
            except ProtocolError as error:
                where = f"inquiry {number + 1}, {error.field}"
                raise ProofError(where, got=error.got, expected=error.expected) from error
        return told

    @classmethod
    def read(cls, path: Path | str) -> SignedInquirers:
        """NOT yet checked. Raises ConfigurationError (none, too long, no JSON), or MessageError naming the field."""
        where = Path(path)
        try:
            with where.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            raise ConfigurationError(str(where), got=error.strerror, expected="an inquirers file") from error
        if len(data) > _MAX_BYTES:
            raise ConfigurationError(str(where), got="a longer file", expected=f"at most {_MAX_BYTES} bytes")
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(str(where), got="no JSON", expected="an inquirers file") from error
        fields = take(value, "signed inquirers", cls.__dataclass_fields__)
        return cls(
            Inquirers.from_json(fields["inquirers"]),
            SignedIdentity.from_json(fields["identity"]),
            from_hex(fields["salt"], "inquirers.salt", 32),
            from_hex(fields["signature"], "inquirers.signature", 64),
        )

    def write(self, path: Path | str) -> None:
        """In one step, for its owner's eyes alone."""
        value = {
            "inquirers": self.inquirers.to_json(),
            "identity": self.identity.to_json(),
            "salt": self.salt.hex(),
            "signature": self.signature.hex(),
        }
        write_public(Path(path), json.dumps(value, indent=2).encode() + b"\n", mode=0o600)
