"""Step 2: every entry has its form, and is signed by who may say it at its place in the log.

A key is valid from the entry that admits it to the entry that revokes it. Times decide nothing: whoever holds an old
key can write any time, but not move an entry in front of one that is logged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache

from clients.regulator.case import Case
from clients.regulator.inquiries.draws import KINDS as INQUIRIES
from clients.regulator.inquiries.draws import Draws
from clients.regulator.line import Line
from clients.regulator.lookups import KINDS as LOOKUPS
from clients.regulator.lookups import Lookups
from clients.regulator.steps.base import Step
from federation.errors import FederationError
from federation.ledger.entries import LABEL
from federation.oversight import EVALUATION, MODEL, PLAN, ROUND
from federation.oversight.cases import CaseStep
from federation.oversight.handover import HANDOVER
from federation.oversight.inquiries import RevocationTaken
from federation.oversight.members import MEMBER, REGULATOR
from federation.oversight.replay import BeaconStatement, Draw, ReplayCommitment, ReplayResult
from federation.oversight.reservations import LEDGER_ENTRY, signer_of
from federation.rounds.signed_plan import SignedPlan
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.signing import VerifyingKey
from protocols.transparency import Statement

COORDINATORS = frozenset({ROUND, MODEL, EVALUATION, MEMBER, REGULATOR})
REGULATORS = frozenset({"beacon", "draw", "audit-request"})
MEMBERS = frozenset(
    {"replay-commitment", "replay-result", "audit-result", CaseStep.kind_of_statement, RevocationTaken.kind}
)
FORMS: Mapping[str, Callable[[object], object]] = {
    each.kind: each.from_json for each in (ReplayCommitment, BeaconStatement, Draw, ReplayResult, RevocationTaken)
} | {CaseStep.kind_of_statement: CaseStep.from_json}  # those of the other kinds are named where their content is judged


class SignatureStep(Step):
    number = 2
    title = "Entries are signed by keys valid at their place"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.judged = 0
        self.lookups = Lookups(case.policy.coordinator, self._key)
        self.draws = Draws(case.policy.regulator, case.policy.ombudsman)
        self.taken: dict[RevocationTaken, int] = {}  # that institutions took revocations: the first place of each

    def take(self, line: Line) -> None:
        self.draws.grow(self.case.tree)
        signers = self.case.signers
        if line.error is not None:
            keys = {name: _verifying(member.key) for name, member in self.case.roster.members.items()}
            signers[line.index] = signer_of(line.data, keys)
            if isinstance(line.error, ProtocolError | FederationError):
                self.fail_with(line.error, line, where="entry")
            return
        signers[line.index] = ""  # until the signature verifies
        try:
            if line.signed is not None:
                self._ledger_entry(line)
            elif line.kind == PLAN:
                self._plan(line)
            elif line.kind in COORDINATORS | REGULATORS | MEMBERS:
                self._statement(line)
            elif line.kind == HANDOVER and line.entry is not None:
                self.case.roster.after(line.entry, line.index)  # both signatures, and whose key may go to whom
            elif line.kind in LOOKUPS:
                self._lookup(line)
            elif line.kind in INQUIRIES:
                self.draws.take(line)
            else:
                return
            if signers.get(line.index) in ("", line.answerable):
                del signers[line.index]  # it says whose it is
            self.judged += 1
        except (ProtocolError, FederationError) as error:
            self.fail_with(error, line, where=line.kind)

    def finish(self) -> None:
        self.fact(f"{self.judged} entries, each signed as it must be")
        known = COORDINATORS | REGULATORS | MEMBERS | LOOKUPS | INQUIRIES | {HANDOVER, PLAN, LEDGER_ENTRY, "unreadable"}
        others = Counter({kind: count for kind, count in self.case.account.kinds.items() if kind not in known})
        for kind, count in sorted(others.items()):
            self.note(f"{count} entries of kind {kind} have their place in the log, and are not judged here")

    def _lookup(self, line: Line) -> None:
        inquiry = self.lookups.check(line)
        if inquiry is not None:
            self.draws.leaf(line.index, line.leaf, inquiry.leaf.querier)

    def _ledger_entry(self, line: Line) -> None:
        signed = line.signed
        if signed is None:
            return
        key = self._key(signed.entry.institution)
        key.verify(LABEL, signed.text.encode(), signed.signature)
        del self.case.signers[line.index]
        if signed.entry.key_id != key.key_id:
            raise SignatureError("key_id", got=signed.entry.key_id, expected=f"{key.key_id}, admitted at this place")

    def _plan(self, line: Line) -> None:
        """Signed by all whom it names, who are members with these keys, and by the federation's coordinator."""
        assert line.entry is not None  # noqa: S101 (every kind but ledger entries has one)
        signed = SignedPlan.read(line.entry.body)
        signed.verify()
        if signed.plan.coordinator != self.case.policy.keys.coordinator:
            raise SignatureError("plan.coordinator", got=signed.plan.coordinator, expected="the policy's coordinator")
        for member in signed.plan.members:
            key = self._key(member.institution)
            if member.key != key.hex:
                got = f"key {member.verifying_key.key_id}"
                raise SignatureError(f"plan.members.{member.institution}", got=got, expected=f"key {key.key_id}")

    def _statement(self, line: Line) -> None:
        assert line.entry is not None  # noqa: S101
        statement = Statement.read(line.entry)
        signer, policy = statement.signer, self.case.policy
        if line.kind in COORDINATORS:
            _require(signer, policy.coordinator, "the coordinator's")
        elif line.kind in REGULATORS:
            _require(signer, policy.regulator, "the regulator's own")
        else:
            self._member(line.index, statement)
        if line.kind in FORMS:
            said = FORMS[line.kind](statement.content)
            if isinstance(said, RevocationTaken):
                self.taken.setdefault(said, line.index)
        if line.kind == REGULATOR and statement.content.get("key") != policy.keys.regulator:
            got = str(statement.content.get("key"))
            raise SignatureError("regulator.key", got=got, expected=f"{policy.keys.regulator}, the regulator's own")
        if line.kind in (MEMBER, REGULATOR):
            self.case.roster.after(line.entry, line.index)  # its form, and that nobody is revoked who is no member

    def _member(self, index: int, statement: Statement) -> None:
        """Signed by the member it names; one that names none, by any member."""
        named = statement.content.get("institution")
        names = {member.key: name for name, member in self.case.roster.members.items()}
        if named is not None:
            _require(statement.signer, self._key(str(named)), f"{named}'s")
        elif statement.signer.hex not in names:
            raise SignatureError("signer", got=f"key {statement.signer.key_id}", expected="the key of a member")
        self.case.signers[index] = names.get(statement.signer.hex, "")

    def _key(self, institution: str) -> VerifyingKey:
        member = self.case.roster.members.get(institution)
        if member is None:
            raise MessageError("institution", got=f"{institution}, not admitted at this place", expected="a member")
        return _verifying(member.key)


@lru_cache(maxsize=4096)
def _verifying(key: str) -> VerifyingKey:
    return VerifyingKey.from_hex(key)


def _require(signer: VerifyingKey, expected: VerifyingKey, whose: str) -> None:
    if signer != expected:
        raise SignatureError("signer", got=f"key {signer.key_id}", expected=f"key {expected.key_id}, {whose}")
