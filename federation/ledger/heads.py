"""Where a ledger stands, and whether it has gone back behind what somebody else remembers of it. Pure.

A ledger that was restored from a backup verifies: what is left of it is a valid ledger with budget to spend again. What
shows it is a memory outside of the database: the last entry that a cosigned log includes.

>>> included = Head(7, "a" * 64)
>>> behind(Head(9, "b" * 64), included, own="a" * 64) is None
True
>>> behind(Head(5, "c" * 64), included, own=None)
'the ledger ends with entry 5, and entry 7 was logged'
>>> behind(Head(9, "b" * 64), included, own="d" * 64)
'entry 7 is not the one that was logged'
"""

from __future__ import annotations

from dataclasses import dataclass

from federation.errors import LedgerError
from federation.ledger.fields import require_hash


@dataclass(frozen=True)
class Head:
    """The number of an entry and its hash (hex); the last entry's, where it is a ledger's head.

    Sequence 0 is before the first entry. Raises LedgerError for anything else.
    """

    sequence: int
    hash: str

    def __post_init__(self) -> None:
        if self.sequence < 0:
            raise LedgerError("head.sequence", got=self.sequence, expected="at least 0")
        require_hash("head.hash", self.hash)


def behind(head: Head, included: Head | None, own: str | None) -> str | None:
    """Why the ledger that ends with `head` must not be used, or None: it holds the entry that was last `included`.

    `own` is the hash of the ledger's own entry of that number, None where it has none. An entry's hash covers all
    entries before it, so this one comparison is about the whole history. A backup that was written on after it was
    restored may have more entries than were logged; they are others. Without an inclusion nothing can be said.
    """
    if included is None or (own == included.hash and head.sequence >= included.sequence):
        return None
    if head.sequence < included.sequence:
        return f"the ledger ends with entry {head.sequence}, and entry {included.sequence} was logged"
    return f"entry {included.sequence} is not the one that was logged"
