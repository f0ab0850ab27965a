"""The ledger entries that members put into the log: whose they are, and whether one paid for an update.

said = read_logged(entry)                                # NOT yet verified: it says under whose key to look
check_reservation(said, expected, update)                # before `update` is averaged
"""

from __future__ import annotations

from typing import Any

from federation.errors import LedgerError, Refused
from federation.ledger.entries import LABEL, Kind, SignedEntry, read_entry
from federation.rounds.refusals import Code
from federation.rounds.reply import Expected, Update
from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import MessageError, SignatureError
from protocols.signing import VerifyingKey
from protocols.transparency import Entry
from protocols.wire.training_pb2 import Phase

LEDGER_ENTRY = "ledger-entry"


def logged(signed: SignedEntry) -> Entry:
    """`signed` as the log stores it."""
    return Entry(LEDGER_ENTRY, canonical(signed.to_json()))


def read_logged(entry: Entry) -> SignedEntry:
    """The ledger entry in a log entry, with its own hash; its signature is NOT yet verified. Raises MessageError."""
    body: Any = parse_canonical(entry.body)
    try:
        data, signature = canonical(body["entry"]), bytes.fromhex(body["signature"])
        if entry.kind != LEDGER_ENTRY or set(body) != {"entry", "hash", "signature"}:
            raise ValueError(entry.kind)
        return read_entry(data.decode(), _hash_of(body["hash"], data), signature)
    except (KeyError, TypeError, ValueError, LedgerError) as error:
        raise MessageError(LEDGER_ENTRY, got="another form", expected="a signed entry of a ledger") from error


def verify_logged(signed: SignedEntry, institution: str, key: VerifyingKey) -> None:
    """Raises SignatureError unless `signed` is an entry of `institution`'s ledger, under `key`."""
    if signed.entry.institution != institution:
        raise SignatureError(f"{LEDGER_ENTRY}.institution", got=signed.entry.institution[:64], expected=institution)
    key.verify(LABEL, signed.text.encode(), signed.signature)


def check_reservation(signed: SignedEntry, expected: Expected, update: Update) -> None:
    """Raises Refused unless `signed` reserved the budget of exactly this update: its plan, phase, round, model, noise.

    `signed` is known to have the hash that the update names; its signature is checked here.
    """
    plan = expected.plan
    try:
        verify_logged(signed, update.institution, plan.by_name[update.institution].verifying_key)
    except SignatureError as error:
        raise Refused(Code.WRONG_RESERVATION, error.field, got=error.got, expected=error.expected) from error
    train, privacy = expected.phase == Phase.TRAIN, plan.privacy
    event = privacy.round_event(expected.round) if train else privacy.evaluation_event()
    release = signed.entry.release
    if signed.entry.kind is not Kind.RESERVE or release is None:
        raise _wrong("kind", signed.entry.kind, Kind.RESERVE)
    for name, got, wanted in (
        ("slot", release.slot, (plan.run_id, "train" if train else "evaluate", expected.round)),
        ("plan_hash", release.plan_hash, plan.hash),
        ("model_hash", release.model_hash, expected.model_hash.hex()),
        ("delta", release.delta, plan.privacy.delta),
        ("event", release.event, event),
    ):
        if got != wanted:
            raise _wrong(name, got, wanted)


def _wrong(name: str, got: object, expected: object) -> Refused:
    return Refused(Code.WRONG_RESERVATION, f"reservation.{name}", got=str(got)[:80], expected=str(expected)[:80])


def _hash_of(claimed: object, data: bytes) -> str:
    found = digest(LABEL, data).hex()
    if claimed != found:
        raise ValueError(found)
    return found
