"""The budget gate: nothing is computed from records before its privacy cost is written down, signed and on disk.

>>> from federation.ledger import Caps, Ledger
>>> from protocols.signing import SigningKey
>>> caps = Caps(run=1.0, year=2.0, lifetime=4.0, delta=1e-5)
>>> ledger = Ledger.in_memory(institution="bank-a", key=SigningKey.generate(), caps=caps)
>>> ledger.verify().entries
0

A release is reserved before the first record is touched, and spent after. What is reserved counts as spent from then
on, whether the work succeeds, fails, or is lost in a crash; nothing is ever given back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from federation.errors import BudgetExceeded, LedgerError
from federation.ledger import fields, store
from federation.ledger.accountant import published_accountant
from federation.ledger.book import Book
from federation.ledger.budget import Accountant, Amount, Caps, Scope, breach, keys_named, keys_of, weigh
from federation.ledger.carrying import ended, measured
from federation.ledger.conditions import check_in_use, check_terms, check_unanswered, over_cap
from federation.ledger.entries import Content, Kind, Refusal, SignedEntry
from federation.ledger.heads import Head, behind
from federation.ledger.journal import Journal, Page
from federation.ledger.release import Phase, Release, Reservation
from federation.ledger.succession import Carried, Successor
from federation.runtime.database import open_engine
from protocols.signing import SigningKey

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's clock; a ledger takes its clock as an argument."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Verification:
    """What `verify` went through: number of entries, hash of the last one, reservations without an outcome yet."""

    entries: int
    head: str
    open: int


class Ledger:
    """One institution's ledger. Thread-safe; several processes may share the database (see docs/ledger.md)."""

    def __init__(self, journal: Journal, key: SigningKey, caps: Caps, clock: Clock, accountant: Accountant) -> None:
        self.institution = journal.institution
        self.caps = caps
        self._journal = journal
        self._key = key
        self._clock = clock
        self._accountant = accountant

    @classmethod
    def open(
        cls,
        url: str,
        *,
        institution: str,
        key: SigningKey,
        caps: Caps,
        clock: Clock = utc_now,
        accountant: Accountant = published_accountant,
        recover: bool = True,
    ) -> Ledger:
        """Migrate the database at `url`, verify the whole chain, close what a crash left open (`recover`).

        Recovery fences off whoever else has the ledger open, so only the process that computes releases does it;
        `recover=False` is for one that has something to record beside it. `clock` answers with aware datetimes.

        Raises LedgerError where the database cannot be used or an entry does not verify, ConfigurationError for a URL
        that is neither SQLite nor PostgreSQL.
        """
        engine = open_engine(url)
        store.prepare(engine)
        ledger = cls(Journal(engine, institution, key), key, caps, clock, accountant)
        if recover:
            ledger.recover()
        else:
            ledger.verify()
        return ledger

    @classmethod
    def in_memory(
        cls,
        *,
        institution: str,
        key: SigningKey,
        caps: Caps,
        clock: Clock = utc_now,
        accountant: Accountant = published_accountant,
    ) -> Ledger:
        """A ledger that dies with the process: for back-tests and tests, under the same rules."""
        return cls.open("sqlite://", institution=institution, key=key, caps=caps, clock=clock, accountant=accountant)

    def reserve(self, release: Release) -> Reservation:
        """Charge `release` to its run, year and lifetime; only then may a record be touched.

        Raises BudgetExceeded (recorded, nothing charged) naming the scope, what was asked, what is spent and the cap;
        LedgerError where the release is under way or answered already, or measured at a delta above the caps' or above
        1 / (10 x nominal records), as the caps' own may not be either.
        """
        refusal: Refusal | None = None
        # 1. The ledger is locked against threads and processes; the book has every entry that anybody has written.
        with self._journal.transaction() as page:
            check_in_use(page.book)
            # 2. This very release is neither under way nor answered: an answer is repeated from its stored bytes.
            check_unanswered(page.book, release)
            # 3. Its delta publishes nobody. It is the next attempt: a repetition is a new charge, never a correction.
            check_terms(release, self.caps)
            numbered = self._numbered(page.book, release)
            # 4. What each scope would have spent after it, from all ever charged, whatever became of it.
            now = self._now(page.book)
            keys = keys_of(release.run_id, now)
            spent = {scope: page.book.charges(scope, key) for scope, key in keys.items()}
            weighed = weigh(spent, release.event, keys, self.caps, release.delta, self._accountant)
            standing = page.book.standing(keys, self.caps, release.delta)
            asked = [new.at_least(old) for new, old in zip(weighed, standing, strict=True)]
            passed = breach(asked)
            if passed is None:
                # 5. Within every cap: the charge is signed and appended, and on disk when the lock is given back.
                signed = page.append(Kind.RESERVE, now, asked, Content(numbered))
            else:
                # 6. A cap would be passed: the refusal is recorded in its place, and nothing is charged.
                refusal = over_cap(passed, standing, release.run_id)
                signed = page.append(Kind.REFUSE, now, standing, Content(numbered, refusal=refusal))
        # 7. Only who holds a reservation may compute.
        if refusal is not None:
            raise BudgetExceeded(refusal.where, got=refusal.got, expected=refusal.expected)
        return Reservation(signed.entry.sequence, signed.hash, numbered)

    def spend(self, reservation: Reservation, update_hash: str, reply: bytes) -> SignedEntry:
        """Record that the work was done; `reply` may leave when this returns, and is kept for whoever asks again.

        Raises LedgerError if the reservation is closed already, as when a process that started later took it for lost:
        then nothing may leave. `update_hash` is 64 hexadecimal digits.
        """
        fields.require_hash("update_hash", update_hash)
        with self._journal.transaction() as page:
            signed = self._close(page, Kind.SPEND, reservation.entry_hash, update_hash=update_hash)
            store.keep_reply(page.connection, reservation.release, signed.hash, reply)
        return signed

    def fail(self, reservation: Reservation, code: str) -> SignedEntry:
        """Record that the work failed with an error `code`; the charge stays, and the round may be tried again."""
        with self._journal.transaction() as page:
            return self._close(page, Kind.SPEND, reservation.entry_hash, error=str(code))

    def refuse(
        self, code: str, where: str, *, got: object, expected: object, request_hash: str = "", run_id: str = ""
    ) -> SignedEntry:
        """Record a refused request of any kind; the same request refused for the same reason is recorded once."""
        refusal = Refusal(code, where, str(got), str(expected), request_hash, run_id)
        with self._journal.transaction() as page:
            known = page.book.refused.get((refusal.request_hash, refusal.code))
            if known is not None:
                return known
            now = self._now(page.book)
            keys, run_delta = keys_named(refusal.run_id, now), self._run_delta(page.book, refusal.run_id)
            standing = page.book.standing(keys, self.caps, run_delta)
            return page.append(Kind.REFUSE, now, standing, Content(refusal=refusal))

    def attempts(self, run_id: str, phase: Phase) -> int:
        """How often budget was reserved for a phase of a run, whatever became of it."""
        with self._journal.transaction() as page:
            return page.book.attempts(run_id, phase)

    def answered(self, run_id: str, phase: Phase, round: int) -> bool:
        """Has this round been answered, for any model?"""
        with self._journal.transaction() as page:
            return page.book.is_answered((run_id, phase, round))

    def recover(self) -> int:
        """Close every reservation without an outcome as `unknown` (it stays charged); how many there were."""
        with self._journal.transaction() as page:
            return self._close_all(page)

    def retire(self, successor: Successor) -> Carried:
        """End this ledger in favour of `successor`, and say what it must carry. Work under way is closed as unknown.

        The same successor may ask again. Raises LedgerError where another one carries on already.
        """
        with self._journal.transaction() as page:
            if page.book.retired is None:
                self._close_all(page)
                now = self._now(page.book)
                standing = page.book.standing(keys_named("", now), self.caps, self.caps.delta)
                page.append(Kind.RETIRE, now, standing, Content(successor=successor))
            elif page.book.retired.entry.successor != successor:
                check_in_use(page.book)
            return ended(page.book, self.caps)

    def carry(self, carried: Carried) -> SignedEntry:
        """Open this ledger with what another one had spent; it counts in its years and in the lifetime.

        The same may be carried again, to no effect. Raises LedgerError for a ledger that has entries of its own.
        """
        with self._journal.transaction() as page:
            known = page.book.carried
            if known is not None and known.entry.carry == carried:
                return known
            if page.book.length:
                raise LedgerError("carry", got=f"a ledger of {page.book.length} entries", expected="an empty one")
            amounts = measured(carried, self.caps, self._accountant)
            return page.append(Kind.CARRY, self._now(page.book), amounts, Content(carry=carried))

    def stored_reply(self, run_id: str, phase: Phase, round: int, model_hash: str) -> bytes | None:
        """The bytes that answered this release before, to be sent again as they are; None if it was never answered."""
        with self._journal.reading() as connection:
            return store.find_reply(connection, (run_id, phase, round), model_hash)

    def entries(self, since: int = 0) -> tuple[SignedEntry, ...]:
        """The entries after number `since`, oldest first."""
        with self._journal.reading() as connection:
            return tuple(store.read_since(connection, since))

    def claims(self, scope: Scope | str, key: str | None = None) -> Amount:
        """The recorded epsilons of run `key`, of year `key` (default: this year), or of the lifetime.

        Raises LedgerError for a run without its id.
        """
        scope = Scope(scope)
        if scope is Scope.RUN and not key:
            raise LedgerError("claims.key", got=key, expected="a run id")
        with self._journal.transaction() as page:
            account = key if scope is not Scope.LIFETIME and key else keys_of("", self._now(page.book))[scope]
            delta = self._run_delta(page.book, account) if scope is Scope.RUN else self.caps.delta
            return page.book.amount(self.caps.blank(scope, account, delta))

    def verify(self, *, recompute: bool = False) -> Verification:
        """Re-check the whole chain as it is stored: order, hashes, signatures, amounts, caps, refusals, replies.

        `recompute` also repeats the accounting of every reservation. Raises LedgerError naming the first bad entry.
        """
        book = Book(self.institution, self._key.public, self._accountant if recompute else None)
        with self._journal.reading() as connection:
            store.fold(connection, book)
            store.check_replies(connection, book)
        return Verification(book.length, book.head, len(book.open))

    @property
    def head(self) -> str:
        """The hash (hex) of the last entry; of the institution's name while there is none."""
        return self.tip.hash

    @property
    def tip(self) -> Head:
        """Number and hash of the last entry: what somebody else may remember of this ledger."""
        with self._journal.transaction() as page:
            return Head(page.book.length, page.book.head)

    def behind(self, included: Head | None) -> str | None:
        """Why this ledger must not be used, where it lacks what a log last `included` of it (see `heads.behind`)."""
        with self._journal.transaction() as page:
            own = store.hash_at(page.connection, included.sequence) if included else None
            return behind(Head(page.book.length, page.book.head), included, own)

    def close(self) -> None:
        """Give the database back; a closed ledger opens it again when used."""
        self._journal.close()

    def _close(
        self, page: Page, kind: Kind, entry_hash: str, update_hash: str | None = None, error: str | None = None
    ) -> SignedEntry:
        reserved = page.book.open.get(entry_hash)
        if reserved is None or reserved.entry.release is None:
            raise LedgerError("reservation", got="one that is closed or unknown", expected="an open reservation")
        release = reserved.entry.release
        standing = [page.book.amount(amount) for amount in reserved.entry.amounts]
        content = Content(release, entry_hash, update_hash, error)
        return page.append(kind, self._now(page.book), standing, content)

    def _close_all(self, page: Page) -> int:
        lost = list(page.book.open)
        for entry_hash in lost:
            self._close(page, Kind.UNKNOWN, entry_hash)
        return len(lost)

    def _numbered(self, book: Book, release: Release) -> Release:
        attempt = book.next_attempt(release.slot)
        if release.attempt not in (0, attempt):
            raise LedgerError("release.attempt", got=release.attempt, expected=attempt)
        return release.numbered(attempt)

    def _now(self, book: Book) -> datetime:
        """The clock's time, but never before the last entry's: a clock set back cannot reopen a year."""
        now = self._clock().astimezone(UTC)
        return now if book.time is None else max(now, book.time)

    def _run_delta(self, book: Book, run_id: str) -> float:
        return book.run_delta(run_id) or self.caps.delta
