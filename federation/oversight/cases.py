"""Steps of people's cases in the log: that something happened on a day and by when an answer is due; never about whom.

An institution's steps are one chain: each names the hash of the one before, the first a hash of the institution's name.
A step commits to what it is about, H(nonce, content), and shows none of it: the nonce has 32 bytes and leaves the
institution only if the step is opened to somebody. Days, not times: what stands beside a step in the log must not be a
clock by which a visitor of a branch could be found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, ClassVar

from federation.oversight.fields import require_count, require_hash, require_keys, require_name
from protocols.canonical import JSON, canonical, digest
from protocols.errors import MessageError, SignatureError
from protocols.lookup.fields import sized
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement

_CHAIN = "fedscore/v1/case/chain"
_CONTENT = "fedscore/v1/case/content"
_CASE = re.compile(r"[0-9a-f]{32}")


class Event(StrEnum):
    """What can happen in a case. The first opens it; RESULTS decide it; TOLD closes it."""

    OPENED = "opened"
    MORE_TIME = "more-time"
    FURNISHER = "furnisher-told"
    CORRECTED = "corrected"
    REJECTED = "rejected"
    ANSWERED = "answered"
    ERASED = "erased"
    WITHDRAWN = "withdrawn"
    NOTIFIED = "notified"
    TOLD = "told"
    PURGED = "purged"


RESULTS = frozenset({Event.CORRECTED, Event.REJECTED, Event.ANSWERED, Event.ERASED, Event.WITHDRAWN})


@dataclass(frozen=True)
class CaseStep:
    """One step, as its institution signs it. `day` and `due`: ISO dates, `due` "" where nothing is; `case`: 16 random
    bytes, hex. Raises MessageError for anything else.
    """

    kind_of_statement: ClassVar[str] = "case"

    institution: str
    sequence: int
    previous: str
    case: str
    event: Event
    day: str
    due: str
    commitment: str

    def __post_init__(self) -> None:
        require_name("case.institution", self.institution)
        require_count("case.sequence", self.sequence, least=1)
        require_hash("case.previous", self.previous)
        require_hash("case.commitment", self.commitment)
        if not _CASE.fullmatch(str(self.case)):
            raise MessageError("case.case", got=str(self.case)[:40], expected="32 hexadecimal digits")
        if self.event not in set(Event):
            raise MessageError("case.event", got=str(self.event)[:40], expected=f"one of {', '.join(Event)}")
        _require_day("case.day", self.day)
        if self.due:
            _require_day("case.due", self.due)

    @property
    def on(self) -> date:
        return date.fromisoformat(self.day)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"event": str(self.event)}

    @classmethod
    def from_json(cls, value: object) -> CaseStep:
        found = dict(require_keys("case", value, {each.name for each in fields(cls)}))
        if found["event"] in set(Event):
            found["event"] = Event(found["event"])
        return cls(**found)

    def sign(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this; its hash is what the next step names."""
        return Statement.sign(self.kind_of_statement, self.to_json(), key).entry


def first_previous(institution: str) -> str:
    """What the first step of an institution names as the one before."""
    return digest(_CHAIN, institution.encode()).hex()


def commitment(nonce: bytes, content: JSON) -> str:
    """H(nonce, content), hex: binds, and hides as long as the 32 bytes of `nonce` are not told."""
    sized(nonce, "case.nonce", 32)
    return digest(_CONTENT, nonce + canonical(content)).hex()


def read_step(entry: Entry, institution: str, key: VerifyingKey) -> CaseStep:
    """The step in `entry`. Raises MessageError (form) or SignatureError unless `institution` said it with `key`."""
    statement = Statement.read(entry)
    step = CaseStep.from_json(statement.content)
    if statement.kind != CaseStep.kind_of_statement or statement.signer != key or step.institution != institution:
        raise SignatureError("case", got=f"key {statement.signer.key_id}", expected=f"{institution}, {key.key_id}")
    return step


def check_chain(entries: Iterable[Entry], institution: str, key: VerifyingKey) -> tuple[CaseStep, ...]:
    """All steps of `institution` in order. Raises MessageError or SignatureError at the first that does not follow."""
    previous, steps = first_previous(institution), []
    for sequence, entry in enumerate(entries, start=1):
        step = read_step(entry, institution, key)
        if (step.sequence, step.previous) != (sequence, previous):
            raise MessageError(
                f"case step {sequence}", got="one that does not follow", expected="the next of the chain"
            )
        previous = entry.hash.hex()
        steps.append(step)
    return tuple(steps)


def _require_day(field: str, value: object) -> None:
    try:
        good = isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        good = False
    if not good:
        raise MessageError(field, got=str(value)[:40], expected="a day, YYYY-MM-DD")
