"""Who takes part: institutions, their keys, and the parameters they agreed on.

A change of roster means a new joint pseudonym key: whoever leaves would otherwise keep a share of the old one, and the
pseudonyms of two rosters must not be comparable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError
from protocols.lookup.fields import from_hex, integer, take, text, version_one
from protocols.lookup.parameters import Parameters
from protocols.oprf.group import check_element
from protocols.oprf.joint_key import joint_public
from protocols.signing import VerifyingKey

LABEL = "fedscore/v1/lookup/roster"
MAX_CUSTOMERS = 10**10
MAX_AUTHORITIES = 32


@dataclass(frozen=True)
class RosterMember:
    """One institution: its signing key, its share K_j of the pseudonym key, and how many customers it attests."""

    institution: str
    key: VerifyingKey
    pseudonym_key: bytes
    customers: int

    def __post_init__(self) -> None:
        if not 0 < len(self.institution) <= 64:
            raise MessageError("roster.institution", got=len(self.institution), expected="1 to 64 characters")
        check_element(self.pseudonym_key, f"pseudonym key of {self.institution}")
        integer(self.customers, f"customers of {self.institution}", 0, MAX_CUSTOMERS)

    def to_json(self) -> dict[str, Any]:
        return {
            "institution": self.institution,
            "key": self.key.hex,
            "pseudonym_key": self.pseudonym_key.hex(),
            "customers": self.customers,
        }

    @classmethod
    def from_json(cls, value: Any) -> RosterMember:
        fields = take(value, "roster member", cls.__dataclass_fields__)
        return cls(
            text(fields["institution"], "roster.institution"),
            VerifyingKey.from_hex(text(fields["key"], "roster.key")),
            from_hex(fields["pseudonym_key"], "roster.pseudonym_key", 32),
            integer(fields["customers"], "roster.customers"),
        )


@dataclass(frozen=True)
class Authority:
    """An identity authority: who may state whose key is whose (`protocols.consent.identity`). Raises MessageError."""

    name: str
    key: VerifyingKey

    def __post_init__(self) -> None:
        authority_name(self.name, "authority")


@dataclass(frozen=True)
class Roster:
    """The members in the order of their names, the coordinator's and the log's key, the oversight key if one is named,
    the identity authorities: where there is one, every question needs consent; where there is none, no question does.

    Raises MessageError for fewer members than the parameters need, for a name or key that appears twice, and for
    shares that cancel each other.
    """

    members: tuple[RosterMember, ...]
    coordinator_key: VerifyingKey
    log_key: VerifyingKey
    parameters: Parameters
    oversight: bytes | None = None
    authorities: tuple[Authority, ...] = ()

    def __post_init__(self) -> None:
        least = self.parameters.minimum_members
        if len(self.members) < least:
            raise MessageError("roster", got=f"{len(self.members)} members", expected=f"at least {least}")
        if list(self.institutions) != sorted(set(self.institutions)):
            raise MessageError("roster", got="another order", expected="institutions in order, each once")
        signers = [member.key.raw for member in self.members]
        shares = [member.pseudonym_key for member in self.members]
        for name, keys in (("signing key", signers), ("pseudonym key", shares)):
            if len(set(keys)) != len(keys):
                raise MessageError(f"roster, {name}", got="one that two members share", expected="one for each")
        joint_public(shares)
        if self.oversight is not None:
            check_element(self.oversight, "oversight key")
        if self.authorities != read_authorities(authorities_json(self.authorities), "roster.authorities"):
            raise MessageError("roster.authorities", got="another order", expected="names in order, each once")

    @property
    def needs_consent(self) -> bool:
        """Whether every question under this roster needs the person's consent."""
        return bool(self.authorities)

    @property
    def institutions(self) -> tuple[str, ...]:
        return tuple(member.institution for member in self.members)

    def member(self, institution: str) -> RosterMember:
        """Raises MessageError for a stranger."""
        for member in self.members:
            if member.institution == institution:
                return member
        raise MessageError("institution", got=institution, expected="a member of the roster")

    @cached_property
    def pseudonym_public(self) -> bytes:
        """K = sum of K_j."""
        return joint_public([member.pseudonym_key for member in self.members])

    @cached_property
    def id(self) -> bytes:
        """32 bytes that name this roster; everything else of an epoch hangs on it."""
        return digest(LABEL, self.encode())

    def encode(self) -> bytes:
        return canonical(
            {
                "version": 1,
                "members": [member.to_json() for member in self.members],
                "coordinator_key": self.coordinator_key.hex,
                "log_key": self.log_key.hex,
                "parameters": self.parameters.to_json(),
                "oversight": "" if self.oversight is None else self.oversight.hex(),
                "authorities": authorities_json(self.authorities),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Roster:
        """Raises MessageError, EncodingError or SignatureError for anything but the bytes `encode` gives."""
        fields = take(parse_canonical(data), "roster", ("version", *cls.__dataclass_fields__))
        version_one(fields["version"], "roster")
        if not isinstance(fields["members"], list):
            raise MessageError("roster.members", got=type(fields["members"]).__name__, expected="a list")
        oversight = text(fields["oversight"], "roster.oversight")
        return cls(
            members=tuple(RosterMember.from_json(member) for member in fields["members"]),
            coordinator_key=VerifyingKey.from_hex(text(fields["coordinator_key"], "roster.coordinator_key")),
            log_key=VerifyingKey.from_hex(text(fields["log_key"], "roster.log_key")),
            parameters=Parameters.from_json(fields["parameters"]),
            oversight=from_hex(oversight, "roster.oversight", 32) if oversight else None,
            authorities=read_authorities(fields["authorities"], "roster.authorities"),
        )


def authority_name(name: str, field: str) -> None:
    """Raises MessageError for what cannot be a name of an authority."""
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise MessageError(field, got=f"{len(name)} characters", expected="1 to 64, printable")


def authorities_json(authorities: Iterable[Authority]) -> dict[str, str]:
    """Keys by name, as rosters and proposals write them."""
    return {authority.name: authority.key.hex for authority in authorities}


def read_authorities(value: Any, field: str) -> tuple[Authority, ...]:
    """The reverse, in the order of the names. Raises MessageError or SignatureError."""
    if not isinstance(value, dict) or len(value) > MAX_AUTHORITIES:
        raise MessageError(field, got=type(value).__name__, expected=f"keys by name, {MAX_AUTHORITIES} at most")
    named = {name: VerifyingKey.from_hex(text(value[name], f"{field}.{name}")) for name in sorted(value)}
    if len({key.raw for key in named.values()}) != len(named):
        raise MessageError(field, got="a key under two names", expected="a key for each name")
    return tuple(Authority(name, key) for name, key in named.items())
