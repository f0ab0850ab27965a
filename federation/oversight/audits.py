"""Audits in the log: what a regulator asks for, what an institution found, and both side by side.

>>> asked = AuditRequest("bank-a", "canary", "aa" * 32, "bb" * 32, expires=1_900_000_000)
>>> AuditRequest.from_json(asked.to_json()) == asked
True

The seed of an audit decides its records and models. It is worth something only if the regulator chose it and the
institution could not: a result that answers no request is the institution's own word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from federation.audits.audit import KINDS, Kind
from federation.audits.finding import Check, Finding
from federation.oversight.fields import require_count, require_hash, require_keys, require_name
from federation.training.sums.recipe import Stage
from protocols.errors import MessageError, ProtocolError
from protocols.signing import SigningKey, VerifyingKey
from protocols.transparency import Entry, Statement

_MAX_FINDINGS = 100


@dataclass(frozen=True)
class AuditRequest:
    """The regulator asks `institution` for an audit. `seed`: 32 bytes, hex; `expires`: Unix time (s).

    Raises MessageError for anything else.
    """

    kind_of_statement: ClassVar[str] = "audit-request"

    institution: str
    kind: Kind
    plan_hash: str
    seed: str
    expires: int

    def __post_init__(self) -> None:
        _require_audit("audit-request", self.institution, self.kind, self.plan_hash, self.seed)
        require_count("audit-request.expires", self.expires)

    def sign(self, key: SigningKey) -> Entry:
        """The log entry in which `key` asks this."""
        return Statement.sign(self.kind_of_statement, self.to_json(), key).entry

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> AuditRequest:
        return cls(**require_keys("audit-request", value, {each.name for each in fields(cls)}))


@dataclass(frozen=True)
class AuditResult:
    """What an audit found, said by the institution.

    request               leaf hash (hex) of the request it answers; None: nobody asked
    claimed, measured     epsilon at `delta` of the event that the audit states, under add-or-remove-one
    confidence            that `measured` is a lower bound; None where it is a composition of what was counted
    findings, passed      of every check; passed only if all are

    Raises MessageError for anything else.
    """

    kind_of_statement: ClassVar[str] = "audit-result"

    request: str | None
    institution: str
    kind: Kind
    plan_hash: str
    code_version: str
    seed: str
    delta: float
    claimed: float
    measured: float
    confidence: float | None
    findings: tuple[Finding, ...]
    passed: bool

    def __post_init__(self) -> None:
        _require_audit("audit-result", self.institution, self.kind, self.plan_hash, self.seed)
        if self.request is not None:
            require_hash("audit-result.request", self.request)
        if not isinstance(self.code_version, str) or not 0 < len(self.code_version) <= 200:
            raise MessageError("audit-result.code_version", got="another", expected="1 to 200 characters")
        for name in ("delta", "claimed", "measured"):
            _require_figure(f"audit-result.{name}", getattr(self, name))
        if self.confidence is not None and not 0 < _require_figure("audit-result.confidence", self.confidence) < 1:
            raise MessageError("audit-result.confidence", got=self.confidence, expected="in (0, 1), or null")
        if not 0 < len(self.findings) <= _MAX_FINDINGS:
            raise MessageError("audit-result.findings", got=len(self.findings), expected=f"1 to {_MAX_FINDINGS}")
        if self.passed is not all(finding.passed for finding in self.findings):
            raise MessageError("audit-result.passed", got=self.passed, expected="true if all findings passed, or false")

    @property
    def exceeded(self) -> bool:
        """More was measured than is claimed."""
        return self.measured > self.claimed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(finding.name for finding in self.findings if not finding.passed)

    def answers(self, request: AuditRequest) -> bool:
        """Whether it is the audit that was asked for."""
        return all(getattr(self, name) == getattr(request, name) for name in _SHARED)

    def sign(self, key: SigningKey) -> Entry:
        """The log entry in which `key` says this."""
        return Statement.sign(self.kind_of_statement, self.to_json(), key).entry

    def to_json(self) -> dict[str, Any]:
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**plain, "findings": [finding.to_json() for finding in self.findings]}

    @classmethod
    def from_json(cls, value: object) -> AuditResult:
        found = require_keys("audit-result", value, {each.name for each in fields(cls)})
        if not isinstance(found["findings"], list):
            raise MessageError("audit-result.findings", got=type(found["findings"]).__name__, expected="a list")
        return cls(**{**found, "findings": tuple(_finding(each) for each in found["findings"])})


_SHARED = ("institution", "kind", "plan_hash", "seed")


@dataclass(frozen=True)
class AuditRow:
    """One audit on a regulator's page; places are positions in the log.

    asked   place of the request; None where nobody asked
    result  None while a request waits for its answer
    """

    institution: str
    kind: Kind
    plan_hash: str
    asked: int | None
    expires: int | None
    place: int | None
    result: AuditResult | None

    @property
    def red(self) -> bool:
        """A check failed, or more was measured than is claimed."""
        return self.result is not None and (not self.result.passed or self.result.exceeded)

    def overdue(self, now: float) -> bool:
        """Asked for, and not answered in time."""
        return self.result is None and self.expires is not None and now > self.expires


def audit_rows(
    entries: Iterable[tuple[int, Entry]], members: Mapping[str, VerifyingKey], regulator: VerifyingKey
) -> tuple[AuditRow, ...]:
    """All audits of a log, in its order: requests by `regulator`, and results by the members they are about.

    What others say under these kinds, or in another form, is left out: a verifier has named it already. A result
    counts for a request if it names its leaf, is the audit asked for, and comes later.
    """
    rows: list[AuditRow] = []
    open_requests: dict[str, tuple[int, AuditRequest]] = {}  # leaf hash -> row, request
    for place, entry in entries:
        said = _said(entry, members, regulator)
        if isinstance(said, AuditRequest):
            open_requests[entry.hash.hex()] = (len(rows), said)
            rows.append(AuditRow(said.institution, said.kind, said.plan_hash, place, said.expires, None, None))
        elif said is not None:
            at, request = open_requests.get(said.request or "", (None, None))
            if at is not None and request is not None and said.answers(request):
                del open_requests[said.request or ""]
                asked = rows[at]
                rows[at] = AuditRow(*_key(said), asked.asked, asked.expires, place, said)
            else:
                rows.append(AuditRow(*_key(said), None, None, place, said))
    return tuple(rows)


def _key(result: AuditResult) -> tuple[str, Kind, str]:
    return result.institution, result.kind, result.plan_hash


def _said(
    entry: Entry, members: Mapping[str, VerifyingKey], regulator: VerifyingKey
) -> AuditRequest | AuditResult | None:
    if entry.kind not in (AuditRequest.kind_of_statement, AuditResult.kind_of_statement):
        return None
    try:
        statement = Statement.read(entry)
        if entry.kind == AuditRequest.kind_of_statement:
            return AuditRequest.from_json(statement.content) if statement.signer == regulator else None
        result = AuditResult.from_json(statement.content)
    except ProtocolError:
        return None
    return result if statement.signer == members.get(result.institution) else None


def _finding(value: object) -> Finding:
    keys = {each.name for each in fields(Finding)} - {"stage"}
    staged = isinstance(value, Mapping) and "stage" in value
    found = require_keys("audit-result.findings", value, keys | {"stage"} if staged else keys)
    if staged and not (isinstance(found["stage"], str) and found["stage"] in set(Stage)):
        raise MessageError("audit-result.findings.stage", got=str(found["stage"])[:20], expected=" or ".join(Stage))
    known = isinstance(found["check"], str) and found["check"] in set(Check)
    if not known or not isinstance(found["passed"], bool):
        raise MessageError("audit-result.findings", got=str(found["check"])[:50], expected="a check, passed or not")
    for name in ("claimed", "measured", "tolerance", "p_value", "confidence", "estimate"):
        if found[name] is not None:
            _require_figure(f"audit-result.findings.{name}", found[name])
    figures = {name: math.nan if found[name] is None else float(found[name]) for name in ("claimed", "measured")}
    return Finding(**{**found, **figures, "check": Check(found["check"])})


def _require_audit(where: str, institution: object, kind: object, plan_hash: object, seed: object) -> None:
    require_name(f"{where}.institution", institution)
    if kind not in KINDS:
        raise MessageError(f"{where}.kind", got=str(kind)[:20], expected=" or ".join(KINDS))
    require_hash(f"{where}.plan_hash", plan_hash)
    require_hash(f"{where}.seed", seed)


def _require_figure(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MessageError(where, got=str(value)[:40], expected="a finite number")
    return value
