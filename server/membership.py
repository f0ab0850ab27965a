"""Who is a member: the states of an application, the rules between them, and the chain of decisions. Pure.

    apply -> PENDING -> admit -> ADMITTED -> revoke -> REVOKED
                     -> reject, or no decision in 7 days, or another is admitted under the name -> REJECTED

A name has one member. Until then anybody may apply under it: whose it is, the operator decides by the fingerprint and
not by who came first. A rejected or revoked APPLICATION is never taken back, and a revoked institution returns only
with fresh keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from federation.enrolment import Application, Code
from federation.errors import FederationError, Refused
from federation.runtime.pki import key_fingerprint, same_fingerprint
from protocols.canonical import JSON, canonical, digest
from protocols.signing import VerifyingKey

EVENT_LABEL = "fedscore/v1/membership-event"
START = "0" * 64
PENDING_MS = 7 * 86_400_000  # how long an application waits for the operator
PENDING_PER_ORIGIN = 8


class MembershipError(FederationError):
    """Membership records that do not verify."""


class State(StrEnum):
    """Where an application stands."""

    PENDING = "pending"
    ADMITTED = "admitted"
    REJECTED = "rejected"
    REVOKED = "revoked"


ALIVE = (State.PENDING, State.ADMITTED)


@dataclass(frozen=True)
class Membership:
    """One application and what became of it. `certificate` is a PEM chain, there once admitted.

    `witness_key` (hex) cosigns the log's checkpoints; "" where the application is older than witnesses.
    """

    hash: str
    institution: str
    state: State
    key: VerifyingKey
    request: bytes
    node_key: bytes
    catalogue_hash: str
    features: tuple[str, ...]
    nominal_records: int
    certificate: bytes | None
    applied_ms: int
    witness_key: str = ""

    @property
    def fingerprint(self) -> str:
        return key_fingerprint(self.key)

    def to_json(self) -> dict[str, JSON]:
        """What a roster shows: public facts only."""
        return {
            "institution": self.institution,
            "state": self.state.value,
            "fingerprint": self.fingerprint,
            "key": self.key.hex,
            "nominal_records": self.nominal_records,
            "features": list(self.features),
            "catalogue_hash": self.catalogue_hash,
            "applied_ms": self.applied_ms,
        }


def overdue(known: Iterable[Membership], now_ms: int) -> tuple[Membership, ...]:
    """The applications that have waited too long for a decision."""
    return tuple(m for m in known if m.state is State.PENDING and now_ms - m.applied_ms >= PENDING_MS)


def check_application(
    application: Application, known: Sequence[Membership], *, pending_limit: int, from_there: int = 0
) -> Membership | None:
    """The membership that this very application made already, None if it is new. Raises Refused.

    1. sent again: the answer is where it stands   2. decided before: replayed   3. a name has one member
    4. no key is held twice, and no revoked institution's key returns   5. not more than the operator can look at, in
    all, and of the `from_there` pending ones with the same origin
    """
    for member in known:
        if member.hash == application.hash.hex():
            if member.state in ALIVE:
                return member
            raise Refused(Code.REPLAYED, "application", got=f"one {member.state}", expected="a new one")
    for member in known:
        if member.institution == application.institution and member.state is State.ADMITTED:
            raise Refused(Code.NAME_TAKEN, "institution", got=application.institution, expected="a name nobody holds")
        if member.state is not State.REJECTED and _shares_key(member, application):
            raise Refused(Code.KEY_TAKEN, "key", got="a key of another application", expected="fresh keys")
    if sum(member.state is State.PENDING for member in known) >= pending_limit:
        raise Refused(Code.TOO_MANY, "applications", got=f"{pending_limit} pending", expected="fewer; ask the operator")
    if from_there >= PENDING_PER_ORIGIN:
        raise Refused(Code.TOO_MANY, "applications", got=f"{from_there} from this address", expected="fewer")
    return None


# Never the applicant's own: who is shown it types it, and nothing was compared over another channel.
_DIFFERS = "the applicant's own; they differ, so somebody may be in between: have it read out again, admit nobody yet"


def check_admission(member: Membership, fingerprint: str) -> None:
    """Raises Refused unless `member` is pending and `fingerprint` (in full) is its signing key's."""
    if member.state is not State.PENDING:
        raise Refused(Code.WRONG_STATE, member.institution, got=member.state, expected=State.PENDING)
    if not same_fingerprint(fingerprint, member.fingerprint):
        raise Refused(Code.WRONG_FINGERPRINT, member.institution, got=fingerprint[:80], expected=_DIFFERS)


def event_text(previous: str, kind: str, institution: str, application: str, detail: str, at_ms: int) -> str:
    """The canonical JSON of one decision, chained to the one before."""
    event: dict[str, JSON] = {
        "previous": previous,
        "kind": kind,
        "institution": institution,
        "application": application,
        "detail": detail,
        "at_ms": at_ms,
    }
    return canonical(event).decode()


def event_hash(text: str) -> str:
    """64 hexadecimal digits."""
    return digest(EVENT_LABEL, text.encode()).hex()


def verify_events(chain: Iterable[tuple[str, str, str]]) -> int:
    """The number of events in (previous as told by the text, hash, text). Raises MembershipError at the first break."""
    last, count = START, 0
    for previous, stored, text in chain:
        if previous != last or event_hash(text) != stored:
            raise MembershipError(f"membership event {count}", got="one that does not follow", expected="a whole chain")
        last, count = stored, count + 1
    return count


def _shares_key(member: Membership, application: Application) -> bool:
    return (
        member.key == application.key
        or member.node_key.split()[:2] == application.node_key.split()[:2]
        or member.witness_key == application.witness_key.hex
    )
