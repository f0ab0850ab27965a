"""The budget gate: what an institution has spent of its privacy, entry by entry, signed and never rewritten.

caps = Caps(run=1.0, year=2.0, lifetime=4.0, delta=1e-5)
ledger = Ledger.open("sqlite:///institution.db", institution="bank-a", key=key, caps=caps)
reservation = ledger.reserve(release)               # BudgetExceeded: recorded, and nothing was computed
ledger.spend(reservation, update_hash, reply)       # the reply may leave now, and is kept for whoever asks again
"""

from federation.ledger.audit import read_ledger
from federation.ledger.budget import Amount, Caps, Scope
from federation.ledger.entries import Entry, Kind, Refusal, SignedEntry
from federation.ledger.heads import Head, behind
from federation.ledger.ledger import Ledger, Verification
from federation.ledger.release import Release, Reservation
from federation.ledger.succession import Carried, Successor

__all__ = [
    "Amount",
    "Caps",
    "Carried",
    "Entry",
    "Head",
    "Kind",
    "Ledger",
    "Refusal",
    "Release",
    "Reservation",
    "Scope",
    "SignedEntry",
    "Successor",
    "Verification",
    "behind",
    "read_ledger",
]
