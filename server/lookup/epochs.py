"""The order of an epoch, as a fold over its record: pure, so that a process that was killed is where its record is.

>>> parties = Parties(("a", "b", "c"), auditors=("a", "b"))
>>> epoch = Epoch(parties).after("propose", RELAY)
>>> str(epoch.phase), [(w.party, w.kind) for w in epoch.waiting]
('keys', [('a', 'commit'), ('b', 'commit'), ('c', 'commit')])
>>> epoch.after("commit", "b").owed("b")
()

An epoch is a line of barriers: a kind of step is due once everybody has said all kinds before it. Two things leave the
line: `close`, which the relay may say at any time and which ends all but the closing; and `left`, said of a member that
was revoked: nobody waits for it in the closing. Everybody says each kind once (the store compares the bytes), so there
are never two tables or two sets of secrets under one epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from federation.errors import ConfigurationError, Refused

RELAY, POOL = "relay", "pool"
MIN_MEMBERS = 3


class Code(StrEnum):
    """Why a call about an epoch is refused."""

    CONFLICT = "conflict"
    TOO_EARLY = "too_early"
    NOT_EXPECTED = "not_expected"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    QUOTA = "quota"
    PROOF = "proof"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    INVALID = "invalid"


class Phase(StrEnum):
    """Where an epoch stands."""

    KEYS = "keys"
    ENROL = "enrol"
    SECRETS = "secrets"
    REPORT = "report"
    LAYOUT = "layout"
    SIGN = "sign"
    TABLES = "tables"
    DUMMIES = "dummies"
    ROWS = "rows"
    AUDIT = "audit"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class By(StrEnum):
    """Who says a kind of step."""

    RELAY = RELAY
    POOL = POOL
    MEMBERS = "members"
    AUDITORS = "auditors"
    EVERYONE = "everyone"


@dataclass(frozen=True)
class Barrier:
    """One kind of step, and the phase in which it is due."""

    phase: Phase
    kind: str
    by: By


_KEYS = (Barrier(Phase.KEYS, "commit", By.MEMBERS), Barrier(Phase.KEYS, "reveal", By.MEMBERS))
_SETUP = (
    Barrier(Phase.KEYS, "roster", By.RELAY),
    Barrier(Phase.ENROL, "enrolled", By.MEMBERS),
    Barrier(Phase.SECRETS, "secrets", By.MEMBERS),
    Barrier(Phase.SECRETS, "header", By.RELAY),
    Barrier(Phase.REPORT, "report", By.MEMBERS),
    Barrier(Phase.LAYOUT, "layout", By.RELAY),
    Barrier(Phase.SIGN, "sign", By.MEMBERS),
    Barrier(Phase.SIGN, "epoch", By.RELAY),
    Barrier(Phase.TABLES, "table", By.MEMBERS),
    Barrier(Phase.TABLES, "stored", By.POOL),
    Barrier(Phase.DUMMIES, "dummies", By.MEMBERS),
    Barrier(Phase.ROWS, "rows", By.AUDITORS),
    Barrier(Phase.AUDIT, "opening", By.AUDITORS),
    Barrier(Phase.AUDIT, "open", By.POOL),
)
_SETTLE = (
    Barrier(Phase.CLOSING, "evaluated", By.MEMBERS),
    Barrier(Phase.CLOSING, "handovers", By.MEMBERS),
    Barrier(Phase.CLOSING, "verdicts", By.AUDITORS),
)
_ERASE = (Barrier(Phase.CLOSING, "erased", By.EVERYONE),)
_PROPOSE = Barrier(Phase.KEYS, "propose", By.RELAY)
_CLOSE = Barrier(Phase.OPEN, "close", By.RELAY)
_WITH_BLOBS = ("report", "rows", "evaluated", "handovers", "verdicts")
KINDS = tuple(barrier.kind for barrier in (_PROPOSE, *_KEYS, *_SETUP, _CLOSE, *_SETTLE, *_ERASE))


@dataclass(frozen=True)
class Waiting:
    """Who holds an epoch up, and with what."""

    party: str
    kind: str


@dataclass(frozen=True)
class Parties:
    """Who takes part: members (sorted), the auditors among them, and whether the members make a joint key first.

    Raises ConfigurationError for fewer than three members, for auditors who are no members, for names of the house.
    """

    members: tuple[str, ...]
    auditors: tuple[str, ...]
    new_keys: bool = True

    def __post_init__(self) -> None:
        if list(self.members) != sorted(set(self.members)) or len(self.members) < MIN_MEMBERS:
            raise ConfigurationError("members", got=len(self.members), expected=f"{MIN_MEMBERS} or more, sorted, once")
        if not self.auditors or list(self.auditors) != sorted(set(self.auditors) & set(self.members)):
            raise ConfigurationError("auditors", got=len(self.auditors), expected="members, sorted, each once")
        if {RELAY, POOL} & set(self.members):
            raise ConfigurationError("members", got="a name that is taken", expected=f"not {RELAY} or {POOL}")


@dataclass(frozen=True)
class Epoch:
    """An epoch of which `said` is recorded. A value: `after` derives the next one."""

    parties: Parties
    said: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)

    def has(self, kind: str, party: str = RELAY) -> bool:
        return (kind, party) in self.said

    @property
    def closing(self) -> bool:
        """Whether the epoch's use is over: no ticket and no query any more."""
        return self.has("close")

    @property
    def opened(self) -> bool:
        return self.has("open", POOL)

    @property
    def phase(self) -> Phase:
        barrier = self._barrier
        if barrier is None:
            return Phase.CLOSED
        return barrier.phase

    @cached_property
    def waiting(self) -> tuple[Waiting, ...]:
        """Who is missing at the barrier; nobody while the epoch is open or closed."""
        barrier = self._barrier
        if barrier is None or barrier is _CLOSE:
            return ()
        return tuple(Waiting(party, barrier.kind) for party in self._missing(barrier))

    def owed(self, party: str) -> tuple[str, ...]:
        """The kinds of steps that `party` owes now: none or one."""
        return tuple(wait.kind for wait in self.waiting if wait.party == party)

    def check_upload(self, party: str) -> None:
        """Raises Refused unless `party` owes a step now that names a blob: nothing else is stored for anybody."""
        if not set(_WITH_BLOBS) & set(self.owed(party)):
            code = Code.CLOSED if self.closing else Code.NOT_EXPECTED
            raise Refused(code, "upload", got=f"one from {party}", expected=self._expected(party))

    def check(self, kind: str, party: str) -> None:
        """Raises Refused unless `party` may say `kind` now. Whether it said it before is the store's to see."""
        if kind in ("close", "left"):
            self._check_relay(kind, party)
            return
        mine = [barrier for barrier in self._line() if barrier.kind == kind and party in self._who(barrier)]
        if not mine:
            code = Code.CLOSED if self.closing and kind in KINDS else Code.NOT_EXPECTED
            raise Refused(code, "step", got=f"{kind} from {party}", expected=self._expected(party))
        if mine[0] is not self._barrier:
            raise Refused(Code.TOO_EARLY, "step", got=f"{kind} from {party}", expected=self._expected(party))

    def after(self, kind: str, party: str) -> Epoch:
        """The epoch once `party` has said `kind`. Raises Refused if it may not, or has already."""
        if (kind, party) in self.said:
            raise Refused(Code.CONFLICT, "step", got=f"another {kind} from {party}", expected="one")
        self.check(kind, party)
        return replace(self, said=self.said | {(kind, party)})

    def replay(self, steps: Iterable[tuple[str, str]]) -> Epoch:
        """The epoch after `steps` (kind, party), in the order of the record."""
        epoch = self
        for kind, party in steps:
            epoch = epoch.after(kind, party)
        return epoch

    def _check_relay(self, kind: str, party: str) -> None:
        """`close` at any time until the epoch is closing; `left` of any member, in the closing."""
        if kind == "close" and (party != RELAY or not self.has("propose")):
            raise Refused(Code.NOT_EXPECTED, "step", got=f"{kind} from {party}", expected=self._expected(party))
        if kind == "left" and (party not in self.parties.members or not self.closing):
            raise Refused(Code.NOT_EXPECTED, "step", got=f"{kind} of {party}", expected="of a member, while closing")

    def _line(self) -> tuple[Barrier, ...]:
        """The barriers of this epoch in order."""
        if self.closing:
            return (*_SETTLE, *_ERASE) if self.opened else _ERASE
        return (_PROPOSE, *(_KEYS if self.parties.new_keys else ()), *_SETUP, _CLOSE)

    @cached_property
    def _barrier(self) -> Barrier | None:
        return next((barrier for barrier in self._line() if self._missing(barrier)), None)

    def _missing(self, barrier: Barrier) -> tuple[str, ...]:
        return tuple(party for party in self._who(barrier) if (barrier.kind, party) not in self.said)

    def _who(self, barrier: Barrier) -> tuple[str, ...]:
        there = tuple(name for name in self.parties.members if not self.has("left", name))
        match barrier.by:
            case By.MEMBERS:
                return there
            case By.AUDITORS:
                return tuple(name for name in self.parties.auditors if name in there)
            case By.EVERYONE:
                # The relay last: what it erases, the others' statements are about.
                pool = (POOL,) if self.has("epoch") else ()
                rest = (*there, *pool)
                return rest if any((barrier.kind, party) not in self.said for party in rest) else (*rest, RELAY)
            case _:
                return (str(barrier.by),)

    def _expected(self, party: str) -> str:
        owed = self.owed(party)
        return owed[0] if owed else f"nothing from {party} in phase {self.phase}"
