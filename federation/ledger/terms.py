"""What one entry must keep to, whatever came before it. Pure; each raises LedgerError, naming entry and field."""

from __future__ import annotations

from federation.errors import LedgerError
from federation.ledger.budget import Amount, order_of
from federation.ledger.entries import Entry
from federation.ledger.release import ROUND_PHASES, Release, check_delta


def wrong(entry: Entry, field: str, got: object, expected: object) -> LedgerError:
    """What is wrong with a field of an entry, to be raised."""
    return LedgerError(f"entry {entry.sequence}: {field}", got=got, expected=expected)


def check_terms(entry: Entry, release: Release) -> None:
    """No delta could publish somebody outright (from version 3 on, as are phases outside of training)."""
    if entry.version == 2:
        if release.phase not in ROUND_PHASES:
            raise wrong(entry, "release.phase", release.phase, "train or evaluate in version 2")
        return
    for delta in (release.delta, *(amount.delta for amount in entry.amounts)):
        try:
            check_delta(delta, release.nominal_records)
        except LedgerError as error:
            raise wrong(entry, error.where, error.got, error.expected) from error


def check_order(entry: Entry, amount: Amount) -> None:
    """A cap is held against the figure of its scope, at the order that follows from the cap itself."""
    where = f"amounts.{amount.scope}"
    if not amount.is_measured:
        got = f"delta {amount.delta}, cap {amount.cap}"
        raise wrong(entry, where, got, "a delta in (0, 1), a positive cap")
    expected = order_of(amount.scope, amount.cap, amount.delta)
    if amount.order != expected:
        raise wrong(entry, f"{where}.order", amount.order, expected)
