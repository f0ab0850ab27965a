"""What must hold before a ledger reserves, and what it says when a cap would be passed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import LedgerError
from federation.ledger.book import Book
from federation.ledger.budget import Amount, Caps
from federation.ledger.entries import Refusal
from federation.ledger.release import Release, check_delta
from protocols.signing import VerifyingKey

BUDGET_EXCEEDED = "budget_exceeded"  # the code of the one refusal that the ledger itself makes


def over_cap(asked: Amount, standing: Sequence[Amount], run_id: str) -> Refusal:
    """The refusal of a release that would have brought a scope to `asked`."""
    spent = next(getattr(amount, asked.capped_by) for amount in standing if amount.scope is asked.scope)
    got = f"epsilon {asked.capped:.6f} ({asked.capped_by.upper()}, delta {asked.delta:g}) after this release"
    expected = f"at most {asked.cap:g} ({spent:.6f} spent)"
    return Refusal(BUDGET_EXCEEDED, f"budget.{asked.scope}", got, expected, run_id=run_id, asked=asked)


def check_in_use(book: Book) -> None:
    """Raises LedgerError where another ledger carries on."""
    if book.retired is not None and book.retired.entry.successor is not None:
        key = VerifyingKey.from_hex(book.retired.entry.successor.key)
        raise LedgerError("ledger", got=f"retired, carried on under key {key.key_id}", expected="a ledger in use")


def check_unanswered(book: Book, release: Release) -> None:
    """Raises LedgerError where the release's round is under way, or answered for this very model."""
    if book.open_for(release.slot):
        raise LedgerError(
            "release", got="one whose round is under way", expected="one reservation of a round at a time"
        )
    if (release.slot, release.model_hash) in book.answered:
        raise LedgerError("release", got="one that is answered already", expected="its stored reply to be sent again")


def check_terms(release: Release, caps: Caps) -> None:
    """Raises LedgerError for a delta above the caps', or one of either that is above 1 / (10 x nominal records)."""
    if release.delta > caps.delta:
        raise LedgerError("release.delta", got=release.delta, expected=f"at most {caps.delta}")
    for delta in (release.delta, caps.delta):
        check_delta(delta, release.nominal_records)
