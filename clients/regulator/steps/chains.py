"""Step 3: each institution's ledger is one chain that obeys the rules of the book, its writer's own."""

from __future__ import annotations

from collections import Counter

from clients.regulator.case import Case
from clients.regulator.line import Line
from clients.regulator.steps.base import Step
from federation.errors import FederationError, LedgerError
from federation.ledger.book import Book
from federation.ledger.entries import VERSION, Entry
from protocols.signing import VerifyingKey


class ChainStep(Step):
    """One chain per ledger: an institution under one key. Where a new key begins, the old ledger has been carried."""

    number = 3
    title = "Every ledger is one unbroken chain"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._books: dict[tuple[str, str], Book] = {}
        self._current: dict[str, str] = {}
        self._failed: set[tuple[str, str]] = set()
        self._versions: dict[str, int] = {}  # the newest that each institution has written
        self._old: Counter[str] = Counter()

    def take(self, line: Line) -> None:
        if line.signed is None:
            return
        entry = line.signed.entry
        ledger = (entry.institution, entry.key_id)
        try:
            book = self._books.get(ledger)
            if book is None:
                book = self._begin(entry)
            if ledger not in self._failed:
                self._check_version(entry)
                book.append(line.signed)
        except FederationError as error:
            self._failed.add(ledger)  # what follows a broken link is not judged
            self.fail_with(error, line)
        except (ArithmeticError, ValueError, TypeError) as error:  # figures that the book's arithmetic cannot take
            self._failed.add(ledger)
            self.fail(f"entry {entry.sequence}", type(error).__name__, "figures that can be reckoned with", line)

    def finish(self) -> None:
        for (institution, key_id), book in sorted(self._books.items()):
            if (institution, key_id) not in self._failed:
                self.fact(f"{institution}, key {key_id}: {book.length} entries, head {book.head[:16]}")
                if book.open:
                    self.note(f"{institution}: {len(book.open)} reservations without an outcome yet; they are charged")

        for institution, count in sorted(self._old.items()):
            self.note(f"{institution}: {count} entries of an older version, which has no rule on delta; step 8 has one")

    def _check_version(self, entry: Entry) -> None:
        """A new ledger is no way back to a version with fewer rules."""
        newest = self._versions.get(entry.institution, entry.version)
        if entry.version < newest:
            raise LedgerError(f"entry {entry.sequence}: version", got=entry.version, expected=f"at least {newest}")
        self._versions[entry.institution] = entry.version
        if entry.version < VERSION:
            self._old[entry.institution] += 1

    def _begin(self, entry: Entry) -> Book:
        member = self.case.roster.members.get(entry.institution)
        key = VerifyingKey.from_hex(member.key) if member is not None else self.case.policy.coordinator  # not asked
        book = Book(entry.institution, key, signatures=False)  # step 2 judges them, by place
        ledger = (entry.institution, entry.key_id)
        self._books[ledger] = book
        before = self._current.get(entry.institution)
        self._current[entry.institution] = entry.key_id
        if before is not None:
            self._check_carried(entry, self._books[entry.institution, before])
        elif entry.carry is not None:
            self.note(f"{entry.institution} carries on a ledger (key {entry.carry.key_id}) that this log has not seen")
        return book

    def _check_carried(self, entry: Entry, before: Book) -> None:
        """A new key does not bring a new budget."""
        retired, carry = before.retired, entry.carry
        if retired is None or carry is None:
            got = "a ledger that starts afresh" if carry is None else "one whose predecessor goes on"
            raise LedgerError(f"entry {entry.sequence}: carry", got=got, expected="the old ledger ended and carried")
        named, last = (carry.head, carry.entries), (before.head, before.length)
        if named != last:
            raise LedgerError(f"entry {entry.sequence}: carry", got=named, expected=f"{last}, the end of the old one")
        if dict(carry.years) != dict(before.years()):
            raise LedgerError(
                f"entry {entry.sequence}: carry.years", got="other mechanisms", expected="all that the old one charged"
            )
