"""From one ledger to the next: what the one that ended says, and what the next one makes of it. Pure."""

from __future__ import annotations

from federation.ledger.book import Book
from federation.ledger.budget import Accountant, Amount, Caps, Scope, measure
from federation.ledger.charges import merged
from federation.ledger.succession import Carried


def ended(book: Book, caps: Caps) -> Carried:
    """What the ledger of `book` had spent, for the one that carries on.

    A year that was itself carried from an entry of version 2, which named no deltas, counts as one of the caps'.
    """
    years = book.years()
    deltas = tuple((year, book.deltas(Scope.YEAR, year) or caps.delta) for year in years)
    return Carried(book.institution, book.key.hex, book.head, book.length, tuple(years.items()), deltas)


def measured(carried: Carried, caps: Caps, accountant: Accountant) -> list[Amount]:
    """The amounts of every carried year and of the lifetime, at the deltas and orders of today's `caps`."""
    years = [(caps.blank(Scope.YEAR, year, caps.delta), events) for year, events in carried.years]
    lifetime = caps.blank(Scope.LIFETIME, "", caps.delta)
    accounts = [*years, (lifetime, [event for _, events in carried.years for event in events])]
    return [measure(blank, merged(events), accountant) for blank, events in accounts]
