"""Who may have what logged: a member its own sayings, the regulator its own. Pure.

The log is one trail for all, so that one tree holds everybody to everything. But an entry is not true because it is
logged, and each costs everybody who reads the log; so nobody may fill it with what is not theirs to say.
"""

from __future__ import annotations

from federation.errors import Refused
from federation.oversight.cases import CaseStep
from federation.oversight.handover import HANDOVER, Handover
from federation.oversight.inquiries import DRAW, REGULATOR, ConsentVerdict, RevocationTaken, SeedsStatement
from federation.oversight.reservations import LEDGER_ENTRY, read_logged, verify_logged
from protocols.consent.draw import SignedDraw
from protocols.errors import SignatureError
from protocols.signing import VerifyingKey
from protocols.transparency import MAX_ENTRY_BYTES, Entry, Statement

CASE = CaseStep.kind_of_statement
OF_PEOPLE = {CASE: CaseStep.from_json, RevocationTaken.kind: RevocationTaken.from_json}
MEMBER_KINDS = frozenset({LEDGER_ENTRY, "replay-commitment", "replay-result", "audit-result", *OF_PEOPLE})
REGULATOR_KINDS = frozenset({"beacon", "draw", "audit-request", DRAW, SeedsStatement.kind, ConsentVerdict.kind})
MAX_ENTRIES = 64
MAX_BODY_BYTES = 60 * 2**10  # so that it fits in a bundle of entries


def check_member_entry(entry: Entry, institution: str, key: VerifyingKey) -> None:
    """Raises Refused (kind, size), MessageError (form) or SignatureError unless `institution` may have it logged."""
    _check_form(entry, MEMBER_KINDS)
    if entry.kind == LEDGER_ENTRY:
        verify_logged(read_logged(entry), institution, key)
        return
    statement = Statement.read(entry)
    _check_signer(statement, key)
    if entry.kind in OF_PEOPLE:
        OF_PEOPLE[entry.kind](statement.content)  # nothing but its fields: no word about anybody gets into the log
    named = statement.content.get("institution", institution)
    if named != institution:
        raise SignatureError(f"{entry.kind}.institution", got=str(named)[:64], expected=institution)


def check_regulator_entry(entry: Entry, key: VerifyingKey | None) -> None:
    """As above, for the regulator of `key`; None where no regulator has been named."""
    _check_form(entry, REGULATOR_KINDS)
    if key is None:
        raise Refused("unknown", "regulator", got="none named in the log", expected="a statement of the coordinator")
    if entry.kind == DRAW:  # in a form of its own, which other holders of a seed sign as well
        SignedDraw.decode(entry.body).verify_holder(REGULATOR, key)
        return
    _check_signer(Statement.read(entry), key)


def check_handover(entry: Entry, coordinator: VerifyingKey) -> None:
    """As above, but for what only the log's order tells: whether the old key is the regulator's to hand over."""
    _check_form(entry, frozenset({HANDOVER}))
    Handover.read(entry, coordinator)


def check_size(entry: Entry) -> None:
    """Raises Refused (too_large) for an entry that no bundle of C2SP tlog-tiles can carry, whoever says it."""
    if len(entry.data) > MAX_ENTRY_BYTES:
        got, expected = f"{len(entry.data)} bytes", f"at most {MAX_ENTRY_BYTES}"
        raise Refused("too_large", f"entry of kind {entry.kind}", got=got, expected=expected)


def _check_form(entry: Entry, kinds: frozenset[str]) -> None:
    if entry.kind not in kinds:
        raise Refused("invalid", "entry.kind", got=entry.kind, expected=f"one of {', '.join(sorted(kinds))}")
    if len(entry.body) > MAX_BODY_BYTES:
        raise Refused("invalid", "entry.body", got=f"{len(entry.body)} bytes", expected=f"at most {MAX_BODY_BYTES}")


def _check_signer(statement: Statement, key: VerifyingKey) -> None:
    if statement.signer != key:
        raise SignatureError(
            f"{statement.kind}.signer", got=f"key {statement.signer.key_id}", expected=f"key {key.key_id}"
        )
