"""What pages show of the entries, gathered in one pass. Pure: lines in, values out; nothing is verified here."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clients.regulator.asking import Askable
from clients.regulator.line import Line
from clients.regulator.pages.asked import Asked
from federation.ledger.budget import Caps
from federation.ledger.entries import Entry as LedgerEntry
from federation.ledger.entries import Kind
from federation.oversight import ROUND, MemberStatement, RoundStatement
from federation.oversight.audits import AuditRequest, AuditResult
from federation.oversight.cases import CaseStep
from federation.oversight.members import MEMBER
from federation.oversight.replay import BeaconStatement, Draw, ReplayCommitment, ReplayResult
from protocols.errors import ProtocolError
from protocols.transparency import Entry

MAX_REFUSALS = 10_000  # the newest are kept one by one
_KEPT = {AuditRequest.kind_of_statement, AuditResult.kind_of_statement, Draw.kind, ReplayResult.kind}


@dataclass(frozen=True)
class RefusalSeen:
    """Something that was refused, by an institution's ledger or, of an update, by the coordinator's round."""

    position: int
    by: str
    institution: str
    run_id: str
    time: str
    code: str
    text: str


@dataclass(frozen=True)
class StepSeen:
    """A step of a person's case: its place, what it says, by which key, and the hash that the next one names."""

    position: int
    step: CaseStep
    signer: str
    hash: str


@dataclass
class LedgerSeen:
    """One ledger: charges (reserve and carry) as its burn-down needs them."""

    institution: str
    key_id: str
    charges: list[LedgerEntry] = field(default_factory=list)
    entries: int = 0
    refused: int = 0
    last: LedgerEntry | None = None

    def caps(self) -> Caps | None:
        """As its last charge states them; None before the first."""
        if not self.charges:
            return None
        amounts = {amount.scope.value: amount for amount in self.charges[-1].amounts}
        if not {"run", "year", "lifetime"} <= set(amounts):
            return None
        return Caps(**{name: amount.cap for name, amount in amounts.items()}, delta=amounts["lifetime"].delta)


@dataclass
class Material:
    """Everything in log order. `statements`: (position, entry) of audits, draws and replay results; `there`: what they
    can be about.
    """

    there: Askable = field(default_factory=Askable)
    ledgers: dict[tuple[str, str], LedgerSeen] = field(default_factory=dict)
    members: dict[str, tuple[int, MemberStatement]] = field(default_factory=dict)
    rounds: list[tuple[int, RoundStatement]] = field(default_factory=list)
    statements: list[tuple[int, Entry]] = field(default_factory=list)
    commitments: Counter[str] = field(default_factory=Counter)
    beacons: list[tuple[int, BeaconStatement]] = field(default_factory=list)
    case_steps: list[StepSeen] = field(default_factory=list)
    refusals: deque[RefusalSeen] = field(default_factory=lambda: deque(maxlen=MAX_REFUSALS))
    inquiries: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # epoch id, querier, purpose
    asked: Asked = field(default_factory=Asked)
    first_asked: dict[str, int] = field(default_factory=dict)  # epoch id -> Unix s of its first inquiry
    steps: Counter[tuple[int, str]] = field(default_factory=Counter)  # epoch counter, kind of step
    kinds: dict[int, str] = field(default_factory=dict)  # position -> kind, of entries that are not ledgers'

    def take(self, line: Line) -> None:
        """One entry. What has not its kind's form is left out; the judge has named it."""
        self.there.take(line)
        try:
            if line.signed is not None:
                self._ledger_entry(line, line.signed.entry)
            elif line.kind.startswith("lookup-"):
                self._lookup(line)
            elif line.content is not None and line.entry is not None:
                self._statement(line, line.content, line.entry)
        except (ProtocolError, ValueError, KeyError, TypeError):
            return

    def _ledger_entry(self, line: Line, entry: LedgerEntry) -> None:
        key = (entry.institution, entry.key_id)
        seen = self.ledgers.setdefault(key, LedgerSeen(*key))
        seen.entries, seen.last = seen.entries + 1, entry
        if entry.kind in (Kind.RESERVE, Kind.CARRY):
            seen.charges.append(entry)
        elif entry.kind is Kind.REFUSE and entry.refusal is not None:
            seen.refused += 1
            why, time = entry.refusal, f"{entry.time:%Y-%m-%d %H:%M:%S}"
            text = f"{why.where}: got {why.got}, expected {why.expected}"
            self._refused(line, "ledger", entry.institution, why.run_id, time, why.code, text)

    def _statement(self, line: Line, content: Mapping[str, Any], entry: Entry) -> None:
        self.kinds[line.index] = line.kind
        if line.kind == MEMBER:
            said = MemberStatement.from_json(content)
            self.members[said.institution] = (line.index, said)
        elif line.kind == ROUND:
            self._round(line, RoundStatement.from_json(content))
        elif line.kind == ReplayCommitment.kind:
            self.commitments[ReplayCommitment.from_json(content).institution] += 1
        elif line.kind == BeaconStatement.kind:
            self.beacons.append((line.index, BeaconStatement.from_json(content)))
        elif line.kind == CaseStep.kind_of_statement:
            signer = str(json.loads(entry.body)["signer"])
            self.case_steps.append(StepSeen(line.index, CaseStep.from_json(content), signer, entry.hash.hex()))
        elif line.kind in _KEPT:
            self.statements.append((line.index, entry))

    def _round(self, line: Line, said: RoundStatement) -> None:
        self.rounds.append((line.index, said))
        for institution, code in said.refused.items():
            text = f"update of {said.phase} round {said.round} not taken"
            self._refused(line, "coordinator", institution, said.run_id, "", code, text)

    def _lookup(self, line: Line) -> None:
        body = json.loads(line.data)["body"]
        if line.kind == "lookup-leaf":
            leaf = body["leaf"]
            epoch = str(leaf["epoch_id"])
            self.inquiries[epoch, str(leaf["querier"]), str(leaf["purpose"])] += 1
            self.asked.add(line.index, epoch)
            self.first_asked.setdefault(epoch, int(leaf["issued_at"]))
        elif line.kind == "lookup-step":
            self.steps[int(body.get("counter", 0)), str(body.get("kind", ""))] += 1

    def _refused(self, line: Line, by: str, institution: str, run_id: str, time: str, code: str, text: str) -> None:
        self.refusals.append(RefusalSeen(line.index, by, institution, run_id, time, code, text))
