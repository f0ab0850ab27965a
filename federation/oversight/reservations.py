"""The ledger entries that members put into the log: whose they are, and whether one paid for an update.

said = read_logged(entry)                                # NOT yet verified: it says under whose key to look
check_reservation(said, expected, update)                # before `update` is averaged
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from federation.errors import LedgerError, Refused
from federation.ledger.entries import LABEL, Kind, SignedEntry, read_entry
from federation.rounds.refusals import Code
from federation.rounds.reply import Expected, Update
from protocols.canonical import canonical, digest
from protocols.errors import MessageError, SignatureError
from protocols.signing import VerifyingKey
from protocols.transparency import Entry
from protocols.wire.training_pb2 import Phase

LEDGER_ENTRY = "ledger-entry"
_BEGIN = b'{"body":{"entry":'
_END = re.compile(rb',"hash":"([0-9a-f]{64})","signature":"([0-9a-f]{128})"},"kind":"ledger-entry","v":1}')
_SIGNATURE = re.compile(rb'"signature":"([^"]*)"')
_END_BYTES = len(b',"hash":"","signature":""},"kind":"ledger-entry","v":1}') + 64 + 128


def logged(signed: SignedEntry) -> Entry:
    """`signed` as the log stores it."""
    return Entry(LEDGER_ENTRY, canonical(signed.to_json()))


def read_logged(entry: Entry) -> SignedEntry:
    """The ledger entry in a log entry, with its own hash; its signature is NOT yet verified. Raises MessageError."""
    try:
        signed = read_ledger_bytes(entry.data)
    except LedgerError as error:
        raise MessageError(f"{LEDGER_ENTRY}.{error.where}", got=error.got, expected=error.expected) from error
    found = digest(LABEL, signed.text.encode()).hex()
    if signed.hash != found:
        raise MessageError(f"{LEDGER_ENTRY}.hash", got=signed.hash, expected=found)
    return signed


def read_ledger_bytes(data: bytes) -> SignedEntry:
    """What the log stores of a ledger entry; hash and signature are NOT yet verified. Raises MessageError, LedgerError.

    The canonical text that hash and signature are over stands in the bytes as it is, between a beginning and an end
    that have one form; so it is parsed once.
    """
    end = _END.fullmatch(data, max(0, len(data) - _END_BYTES))
    if end is None or not data.startswith(_BEGIN):
        raise MessageError(LEDGER_ENTRY, got="another form", expected="entry, hash and signature")
    try:
        text = data[len(_BEGIN) : -_END_BYTES].decode()
    except UnicodeDecodeError as error:
        raise MessageError(LEDGER_ENTRY, got="bytes that are not UTF-8", expected="canonical JSON") from error
    return read_entry(text, end[1].decode(), bytes.fromhex(end[2].decode()))


def signer_of(data: bytes, keys: Mapping[str, VerifyingKey]) -> str:
    """Which institution signed what is no entry: it is answerable for that. Empty where nobody of `keys` did."""
    text, found, rest = data.removeprefix(_BEGIN).rpartition(b',"hash":')
    said = _SIGNATURE.search(rest)
    if not found or said is None:
        return ""
    for institution, key in keys.items():
        with suppress(ValueError, SignatureError):
            key.verify(LABEL, text, bytes.fromhex(said[1].decode()))
            return institution
    return ""


def verify_logged(signed: SignedEntry, institution: str, key: VerifyingKey) -> None:
    """Raises SignatureError unless `signed` is an entry of `institution`'s ledger, under `key`, and says so."""
    if signed.entry.institution != institution:
        raise SignatureError(f"{LEDGER_ENTRY}.institution", got=signed.entry.institution[:64], expected=institution)
    if signed.entry.key_id != key.key_id:
        raise SignatureError(f"{LEDGER_ENTRY}.key_id", got=signed.entry.key_id, expected=key.key_id)
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
