"""Ledger entries: canonical (RFC 8785), hash-chained, signed by the institution. Pure.

An entry's hash is digest("fedscore/v1/ledger-entry", canonical bytes); the signature (Ed25519, RFC 8032) is over that
hash. The first entry's `previous` is a hash of the institution's name, so a chain cannot be passed off as another's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from federation.errors import FederationError, LedgerError
from federation.ledger import fields as form
from federation.ledger.budget import Amount, Scope
from federation.ledger.release import Release
from federation.ledger.succession import Carried, Successor
from protocols.canonical import canonical, digest
from protocols.errors import ProtocolError
from protocols.printable import printable
from protocols.signing import SigningKey

VERSION = 3
READABLE = (2, 3)  # 2: rounds of training plans only, no rule on delta, nothing said of carried deltas
LABEL = "fedscore/v1/ledger-entry"
EARLIEST, LATEST = 1970, 2199  # years that calendars, plots and JSON readers agree about


class Kind(StrEnum):
    RESERVE = "reserve"  # charged, before any record is touched
    SPEND = "spend"  # the work is done: an update was handed out, or it failed with an error
    UNKNOWN = "unknown"  # reserved, outcome lost in a crash: stays charged
    REFUSE = "refuse"  # nothing was computed, nothing charged
    CARRY = "carry"  # the first entry: what an ended ledger had spent counts here
    RETIRE = "retire"  # the last entry: another ledger carries on


@dataclass(frozen=True)
class Refusal:
    """Why nothing was computed. `asked` is the amount a release would have reached, when a cap was the reason.

    The texts quote requests of strangers: each is made printable, at most 200 characters.
    """

    code: str
    where: str
    got: str
    expected: str
    request_hash: str = ""
    run_id: str = ""
    asked: Amount | None = None

    def __post_init__(self) -> None:
        for name in ("code", "where", "got", "expected", "request_hash", "run_id"):
            object.__setattr__(self, name, printable(str(getattr(self, name))))

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "asked": self.asked.to_json() if self.asked else None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Refusal:
        asked = value["asked"]
        return cls(**{**value, "asked": None if asked is None else Amount.from_json(asked)})


@dataclass(frozen=True)
class Content:
    """What an entry is about, as far as its kind has it."""

    release: Release | None = None
    reservation: str | None = None
    update_hash: str | None = None
    error: str | None = None
    refusal: Refusal | None = None
    carry: Carried | None = None
    successor: Successor | None = None


@dataclass(frozen=True)
class Entry:
    """One line of the ledger, as signed.

    `previous` and `reservation` are entry hashes (hex), `update_hash` that of what was handed out, `key_id` the
    signer's, `error` a code when the work failed, `time` is UTC. `amounts` are cumulative, after this entry, one per
    scope (a carry has one for each year). A spend without an update failed; an unknown has neither update nor error.
    """

    sequence: int
    previous: str
    institution: str
    time: datetime
    kind: Kind
    amounts: tuple[Amount, ...]
    key_id: str
    code_version: str
    release: Release | None = None
    reservation: str | None = None
    update_hash: str | None = None
    error: str | None = None
    refusal: Refusal | None = None
    carry: Carried | None = None
    successor: Successor | None = None
    version: int = VERSION

    def amount(self, scope: Scope) -> Amount | None:
        """The cumulative amount of `scope` after this entry; None where the entry has no such scope."""
        return next((amount for amount in self.amounts if amount.scope is scope), None)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.__dict__,
            "time": format_time(self.time),
            "kind": self.kind.value,
            "amounts": [amount.to_json() for amount in self.amounts],
            "release": self.release.to_json() if self.release else None,
            "refusal": self.refusal.to_json() if self.refusal else None,
            "carry": self.carry.to_json() if self.carry else None,
            "successor": self.successor.to_json() if self.successor else None,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Entry:
        """Every field of exactly its type. Raises LedgerError, or what else a stranger's value may cause."""
        fields = dict(value)
        if fields["version"] not in READABLE:
            raise LedgerError("entry.version", got=fields["version"], expected=" or ".join(map(str, READABLE)))
        form.whole("entry.sequence", fields["sequence"], least=1)
        form.key_id("entry.key_id", fields["key_id"])
        form.require_hash("entry.previous", fields["previous"])
        for name in ("institution", "code_version"):
            form.text(f"entry.{name}", fields[name])
        for name, check in _OPTIONAL.items():
            if fields[name] is not None:
                check(f"entry.{name}", fields[name])
        fields["time"] = parse_time(fields["time"])
        if not EARLIEST <= fields["time"].year <= LATEST:
            raise LedgerError("entry.time", got=fields["time"].year, expected=f"a year from {EARLIEST} to {LATEST}")
        fields["kind"] = Kind(fields["kind"])
        fields["amounts"] = tuple(Amount.from_json(amount) for amount in fields["amounts"])
        for name, kind in _PARTS.items():
            fields[name] = kind.from_json(fields[name]) if fields[name] else None
        return cls(**fields)


_OPTIONAL = {"reservation": form.require_hash, "update_hash": form.require_hash, "error": form.text}
_PARTS: dict[str, Any] = {"release": Release, "refusal": Refusal, "carry": Carried, "successor": Successor}


@dataclass(frozen=True)
class SignedEntry:
    """An entry with its hash (hex), its signature (64 bytes) and the canonical text both are over."""

    entry: Entry
    hash: str
    signature: bytes
    text: str

    def to_json(self) -> dict[str, Any]:
        """One line of an export: the entry, its hash and its signature."""
        return {"entry": self.entry.to_json(), "hash": self.hash, "signature": self.signature.hex()}

    @classmethod
    def from_json(cls, value: Any) -> SignedEntry:
        """What `to_json` gave, read from outside: NOT yet verified, a book does that. Raises LedgerError."""
        try:
            if set(value) != {"entry", "hash", "signature"}:
                raise ValueError
            form.require_hash("hash", value["hash"])
            hash, signature = value["hash"], form.signature("signature", value["signature"])
            text = canonical(value["entry"]).decode()
        except (ValueError, TypeError, KeyError, ProtocolError, LedgerError) as error:
            raise LedgerError("entry", got="no signed entry", expected="entry, hash and signature") from error
        return read_entry(text, hash, signature)


def sign_entry(entry: Entry, key: SigningKey) -> SignedEntry:
    data = canonical(entry.to_json())
    return SignedEntry(entry, digest(LABEL, data).hex(), key.sign(LABEL, data), data.decode())


def read_entry(text: str, hash: str, signature: bytes) -> SignedEntry:
    """The stored entry, NOT yet verified: the one reader of entries, for whoever keeps, admits, judges or shows them.

    Raises LedgerError where the text is not canonical, or a field is missing, unknown, of another type or out of range.
    """
    try:
        entry = Entry.from_json(json.loads(text))
        data = canonical(entry.to_json())
    except FederationError as error:
        raise LedgerError(error.where, got=error.got, expected=error.expected) from error
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError, ProtocolError) as error:
        raise LedgerError("entry", got=f"no entry ({type(error).__name__})", expected="a ledger entry") from error
    if data != text.encode():
        raise LedgerError("entry", got="text that is not canonical", expected="RFC 8785")
    return SignedEntry(entry, hash, signature, text)


def genesis(institution: str) -> str:
    """What the first entry points back to."""
    return digest("fedscore/v1/ledger-genesis", institution.encode()).hex()


def format_time(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """What `format_time` gave. Raises ValueError for any other form."""
    time = datetime.fromisoformat(text)
    if format_time(time) != text:
        raise ValueError
    return time
