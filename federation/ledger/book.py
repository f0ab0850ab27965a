"""The book: what the entries of one ledger add up to, and every rule that they must obey. Pure.

The same fold serves the running ledger (what is spent, what is open, where the chain ends) and its verification: an
entry is either next in the book or an error that names it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from federation.ledger.budget import Accountant, Amount, Caps, Scope, keys_named, keys_of, measure
from federation.ledger.charges import Charges, composition, unit
from federation.ledger.entries import LABEL, READABLE, Entry, Kind, SignedEntry, genesis
from federation.ledger.release import Phase, Release, Slot
from federation.ledger.terms import check_order, check_terms, wrong
from federation.privacy.event import Event
from protocols.canonical import digest
from protocols.errors import SignatureError
from protocols.signing import VerifyingKey

Account = tuple[Scope, str]  # a scope and which run or year
AGREEMENT = 0.02  # what two versions of an accountant may differ by when amounts are recomputed


class Book:
    """Folds entries in order. `accountant`: recompute every amount too. `signatures`: False where others judge them."""

    def __init__(
        self, institution: str, key: VerifyingKey, accountant: Accountant | None = None, *, signatures: bool = True
    ) -> None:
        self.institution, self.key = institution, key
        self.head = genesis(institution)
        self.length = 0
        self.time: datetime | None = None
        self.version = READABLE[0]
        self.open: dict[str, SignedEntry] = {}  # reserve entries without an outcome, by hash
        self.refused: dict[tuple[str, str], SignedEntry] = {}  # by request hash and code
        self.answered: dict[tuple[Slot, str], str] = {}  # hash of the spend, by slot and model hash
        self.carried: SignedEntry | None = None  # the first entry, where it brings in what another ledger had spent
        self.retired: SignedEntry | None = None  # the last entry, where another ledger carries on
        self._accountant, self._signatures = accountant, signatures
        self._charges: dict[Account, Counter[Event]] = {}
        self._deltas: dict[Account, dict[str, float]] = {}  # the largest of each run
        self._amounts: dict[tuple[Scope, str, float], Amount] = {}
        self._attempts: Counter[Slot] = Counter()
        self._run_delta: dict[str, float] = {}

    def charges(self, scope: Scope, key: str) -> Charges:
        """All that counts as spent: reserved and open, spent, failed and unknown."""
        return self._charges.get((scope, key), Counter())

    def deltas(self, scope: Scope, key: str) -> float:
        """The sum of the deltas of all runs charged there: what their own claims may fail with, all together."""
        return math.fsum(self._deltas.get((scope, key), {}).values())

    def years(self) -> dict[str, tuple[Event, ...]]:
        """All that was ever charged, carried included: year -> mechanisms, in order."""
        years = sorted(key for scope, key in self._charges if scope is Scope.YEAR)
        return {year: composition(self._charges[Scope.YEAR, year]) for year in years}

    def amount(self, blank: Amount) -> Amount:
        """The recorded cumulative figures of the account of `blank`, beside its cap; `blank` before the first charge.

        They keep the Renyi order that they were recorded with, whatever the cap has become since.
        """
        recorded = self._amounts.get((blank.scope, blank.key, blank.delta))
        if recorded is None or recorded.cap == blank.cap:
            return recorded or blank
        return replace(recorded, cap=blank.cap)

    def standing(self, keys: Mapping[Scope, str], caps: Caps, run_delta: float) -> tuple[Amount, ...]:
        """The recorded amounts of the scopes in `keys`, beside today's caps."""
        return tuple(
            self.amount(caps.blank(scope, key, run_delta if scope is Scope.RUN else caps.delta))
            for scope, key in keys.items()
        )

    def run_delta(self, run_id: str) -> float | None:
        """The delta a run is measured at: that of its last reservation."""
        return self._run_delta.get(run_id)

    def attempts(self, run_id: str, phase: Phase) -> int:
        """Reservations of all rounds of a phase of a run."""
        return sum(count for slot, count in self._attempts.items() if slot[:2] == (run_id, phase))

    def is_answered(self, slot: Slot) -> bool:
        """Has the slot been answered, for any model?"""
        return any(answered == slot for answered, _ in self.answered)

    def next_attempt(self, slot: Slot) -> int:
        return self._attempts[slot] + 1

    def open_for(self, slot: Slot) -> SignedEntry | None:
        """The open reservation of a slot, if there is one."""
        return next((s for s in self.open.values() if s.entry.release and s.entry.release.slot == slot), None)

    def append(self, signed: SignedEntry) -> None:
        """Verify that `signed` is the next entry and take it in. Raises LedgerError naming the entry and the rule."""
        entry = signed.entry
        # 1. Its place: numbered without gaps, pointing back to the entry before it, in the chain of this institution.
        self._check(entry, "sequence", entry.sequence, self.length + 1)
        self._check(entry, "institution", entry.institution, self.institution)
        self._check(entry, "previous", entry.previous, self.head)
        # 2. Its hash is that of its canonical text, and this institution's key signed it.
        self._check_signature(signed)
        # 3. Time does not run backwards.
        if self.time is not None and entry.time < self.time:
            raise wrong(entry, "time", entry.time.isoformat(), f"not before {self.time.isoformat()}")
        # 4. Nothing follows the entry that ended the ledger, and an older version, with fewer rules, no newer one.
        if self.retired is not None:
            raise wrong(entry, "kind", entry.kind, "none after the ledger was retired")
        if entry.version < self.version:
            raise wrong(entry, "version", entry.version, f"at least {self.version}")
        # 5. The rule of its kind: what is charged once stays charged, and nothing else is.
        self._check(entry, "carry", entry.carry is not None, entry.kind is Kind.CARRY)
        self._check(entry, "successor", entry.successor is not None, entry.kind is Kind.RETIRE)
        {
            Kind.RESERVE: self._reserve,
            Kind.SPEND: self._close,
            Kind.UNKNOWN: self._close,
            Kind.REFUSE: self._refuse,
            Kind.CARRY: self._carry,
            Kind.RETIRE: self._retire,
        }[entry.kind](signed)
        self.head, self.length, self.time, self.version = signed.hash, entry.sequence, entry.time, entry.version

    def _reserve(self, signed: SignedEntry) -> None:
        entry, release = signed.entry, self._release_of(signed.entry)
        # a. Its round is neither under way nor answered for this model; attempts are numbered from 1.
        if self.open_for(release.slot):
            raise wrong(entry, "release", "one whose round is under way", "one reservation at a time")
        if (release.slot, release.model_hash) in self.answered:
            raise wrong(entry, "release", "one that is answered already", "its reply to be sent again")
        self._check(entry, "release.attempt", release.attempt, self.next_attempt(release.slot))
        # b. It is charged to this run, this year and the lifetime, within each cap, and no amount decreases.
        keys = keys_of(release.run_id, entry.time)
        self._check_accounts(entry, keys.items())
        for amount in entry.amounts:
            check_order(entry, amount)
            if amount.scope is Scope.RUN:
                self._check(entry, "amounts.run.delta", amount.delta, release.delta)
            if not amount.holds:
                raise wrong(entry, f"amounts.{amount.scope}", amount.capped, f"at most the cap {amount.cap}")
            self._check_growth(entry, amount)
        # c. No delta could publish somebody outright (from version 3 on, as are phases outside of training).
        check_terms(entry, release)
        self._charge(keys.items(), [release.event])
        self._note_delta(keys.items(), release.run_id, release.delta)
        # d. Recomputed from the mechanisms charged so far, each amount is what the entry says.
        self._recompute(entry)
        self._record(entry)
        self._attempts[release.slot] += 1
        self._run_delta[release.run_id] = release.delta
        self.open[signed.hash] = signed

    def _close(self, signed: SignedEntry) -> None:
        entry, release = signed.entry, self._release_of(signed.entry)
        # a. It closes exactly one reservation, which is open, and repeats its release.
        reserved = self.open.get(entry.reservation or "")
        if reserved is None:
            raise wrong(entry, "reservation", entry.reservation, "an open reservation")
        self._check(entry, "release", release, reserved.entry.release)
        # b. It handed out one update, or failed, or nobody knows; nothing is given back.
        self._check_accounts(entry, [(amount.scope, amount.key) for amount in reserved.entry.amounts])
        outcome = (entry.update_hash is not None, entry.error is not None)
        allowed = [(False, False)] if entry.kind is Kind.UNKNOWN else [(True, False), (False, True)]
        if outcome not in allowed:
            raise wrong(entry, "update_hash, error", outcome, f"one of {allowed}")
        self._check_standing(entry)
        if entry.update_hash is not None:
            self.answered[release.slot, release.model_hash] = signed.hash
        del self.open[reserved.hash]

    def _refuse(self, signed: SignedEntry) -> None:
        entry = signed.entry
        # a. It says why, and neither charges nor hands out anything.
        if entry.refusal is None:
            raise wrong(entry, "refusal", "none", "the reason")
        outcome = (entry.reservation, entry.update_hash, entry.error)
        self._check(entry, "reservation, update_hash, error", outcome, (None, None, None))
        self._check_accounts(entry, keys_named(entry.refusal.run_id, entry.time).items())
        self._check_standing(entry)
        # b. Where a cap was the reason, the cap would really have been passed.
        asked = entry.refusal.asked
        if asked is not None:
            check_order(entry, asked)
        if asked is not None and asked.holds:
            raise wrong(entry, "refusal.asked", asked.capped, f"more than the cap {asked.cap}")
        if entry.refusal.request_hash:
            self.refused[entry.refusal.request_hash, entry.refusal.code] = signed

    def _carry(self, signed: SignedEntry) -> None:
        entry, carried = signed.entry, signed.entry.carry
        assert carried is not None  # noqa: S101 (checked for every entry)
        # a. It opens the ledger, and does nothing but bring in what another key had spent, not after its own time.
        self._check(entry, "sequence", entry.sequence, 1)
        self._check_bare(entry)
        if carried.key == self.key.hex:
            raise wrong(entry, "carry.key", "this ledger's own", "another ledger's")
        for year, events in carried.years:
            if year > f"{entry.time.year:04d}":
                raise wrong(entry, "carry.years", year, f"at most {entry.time.year}")
            self._charge([(Scope.YEAR, year), (Scope.LIFETIME, "")], events)
        self._check(entry, "carry.deltas", carried.deltas is not None, entry.version > 2)
        for year, delta in carried.deltas or ():
            self._note_delta([(Scope.YEAR, year), (Scope.LIFETIME, "")], f"carried {year}", delta)
        # b. Its amounts are those of every year and of the lifetime. What was spent counts even above today's caps.
        self._check_accounts(entry, [*((Scope.YEAR, year) for year, _ in carried.years), (Scope.LIFETIME, "")])
        for amount in entry.amounts:
            check_order(entry, amount)
        self._recompute(entry)
        self._record(entry)
        self.carried = signed

    def _retire(self, signed: SignedEntry) -> None:
        # Nothing is under way, and all that it says is who carries on.
        if self.open:
            raise wrong(signed.entry, "kind", f"{len(self.open)} open reservations", "every one closed before")
        self._check_bare(signed.entry)
        self._check_accounts(signed.entry, keys_named("", signed.entry.time).items())
        self._check_standing(signed.entry)
        self.retired = signed

    def _check_accounts(self, entry: Entry, expected: Iterable[Account]) -> None:
        """Each account once, in order: of two amounts of one, every reader would believe another."""
        self._check(entry, "amounts", [(amount.scope, amount.key) for amount in entry.amounts], list(expected))

    def _check_bare(self, entry: Entry) -> None:
        parts = (entry.release, entry.reservation, entry.update_hash, entry.error, entry.refusal)
        self._check(entry, "release, reservation, update_hash, error, refusal", parts, (None,) * 5)

    def _charge(self, accounts: Iterable[Account], events: Sequence[Event]) -> None:
        for account in accounts:
            for event in events:
                self._charges.setdefault(account, Counter())[unit(event)] += event.steps

    def _note_delta(self, accounts: Iterable[Account], run_id: str, delta: float) -> None:
        for account in accounts:
            runs = self._deltas.setdefault(account, {})
            runs[run_id] = max(delta, runs.get(run_id, 0.0))

    def _record(self, entry: Entry) -> None:
        for amount in entry.amounts:
            self._amounts[amount.scope, amount.key, amount.delta] = amount

    def _release_of(self, entry: Entry) -> Release:
        if entry.release is None or entry.refusal is not None:
            raise wrong(entry, "release", "none, or a refusal beside it", "a release")
        return entry.release

    def _check_signature(self, signed: SignedEntry) -> None:
        data = signed.text.encode()
        self._check(signed.entry, "hash", signed.hash, digest(LABEL, data).hex())
        if self._signatures:
            self._check(signed.entry, "key_id", signed.entry.key_id, self.key.key_id)
            try:
                self.key.verify(LABEL, data, signed.signature)
            except SignatureError as error:
                raise wrong(signed.entry, "signature", error.got, error.expected) from error

    def _check_growth(self, entry: Entry, amount: Amount) -> None:
        earlier = self.amount(amount)
        if not amount.covers(earlier):
            raise wrong(entry, f"amounts.{amount.scope}", amount.pld, f"not less than {earlier.pld}")

    def _check_standing(self, entry: Entry) -> None:
        for amount in entry.amounts:
            recorded = self._amounts.get((amount.scope, amount.key, amount.delta))
            if amount != recorded:  # also where caps have changed since, or nothing was charged yet
                recorded = self.amount(replace(amount, pld=0.0, prv=0.0, rdp=0.0))
                self._check(entry, f"amounts.{amount.scope}", amount, recorded)

    def _recompute(self, entry: Entry) -> None:
        if self._accountant is None:
            return
        for amount in entry.amounts:
            again = measure(amount, composition(self.charges(amount.scope, amount.key)), self._accountant)
            for figure in ("pld", "rdp"):
                got, expected = getattr(amount, figure), getattr(again, figure)
                if abs(expected - got) > AGREEMENT:
                    raise wrong(entry, f"amounts.{amount.scope}.{figure}", got, f"{expected} (recomputed)")

    def _check(self, entry: Entry, field: str, got: object, expected: object) -> None:
        if got != expected:
            raise wrong(entry, field, got, expected)
