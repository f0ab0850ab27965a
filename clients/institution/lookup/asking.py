"""From a question to the record: logged, ticketed, read from the pool, opened. One batch at a time; no step is skipped.

1. Every leaf is kept here, with the receipt that it uses up, then logged; the log's promises are verified. What the
   day's quota has no ticket for is not: nobody would answer it, and it would stand against this institution.
2. The relay gathers every member's evaluation and pads; all proofs are verified, and the party at fault is named.
3. One query each goes to the pool: for the place of the subject, or for a random one where it has none. With a mirror
   none does.
4. The auditors' signatures on the row, the pool's on the answer. What fails is kept for an auditor, not asked again.
5. The pads come off at the known place.

Absent and present subjects take the same steps over the same number of bytes; so do rows that verify and rows that do
not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.channel import PoolClient, RelayClient
from clients.institution.lookup.consent_store import ConsentStore
from clients.institution.lookup.kept_answers import KeptAnswers, draw
from clients.institution.lookup.open_epoch import OpenEpoch
from clients.institution.lookup.questions import POOL, RELAY, Question, refused, unavailable
from federation.errors import FederationError, Refused
from federation.lookup.outcome import Unavailable
from federation.lookup.record import JointSum
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry
from protocols.errors import MessageError, ProtocolError, SignatureError
from protocols.lookup.engines import Client, Pending
from protocols.lookup.evidence import HandOver, check_answer
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.lookup.rows import verify_row
from protocols.lookup.ticket import QuerierTicket, SignedLeaf, Ticket, TicketReply
from protocols.wire import lookup_pb2 as wire

Found = JointSum | Unavailable
DAY_S = 86_400


@dataclass
class Asked:
    """One question on its way."""

    question: Question
    identifier: bytes = field(repr=False)
    consent: Consent | None = None
    state: QuerierTicket | None = None
    leaf: SignedLeaf | None = None
    blinded: bytes = b""
    promise: bytes = b""
    ticket: Ticket | None = field(default=None, repr=False)
    found: Found | None = field(default=None, repr=False)

    @property
    def leaf_hash(self) -> bytes:
        return b"" if self.leaf is None else self.leaf.hash

    @property
    def inquiry(self) -> Inquiry | None:
        return None if self.consent is None else self.consent.receipt.receipt.inquiry

    def serial(self, fresh: bytes) -> str:
        """What the log knows the receipt by: its number; a digest of what else was shown, or of `fresh`."""
        if self.consent is not None:
            return self.consent.serial
        return sha256(b"fedscore/v1/lookup/receipt-serial\x00" + (self.question.receipt or fresh)).hexdigest()


@dataclass
class Asking:
    """What every batch of one epoch needs. `timeout` is seconds for one answer of relay or pool."""

    epoch: OpenEpoch
    relay: RelayClient
    pool: PoolClient
    asked_store: AskedStore
    consents: ConsentStore
    random: Callable[[int], bytes]
    clock: Callable[[], float]
    timeout: float

    def tickets(self, batch: Sequence[Asked]) -> None:
        """Steps 1 and 2 for a batch; what has no ticket afterwards has found why."""
        own, left = self.epoch.part.home.name, self._tickets_left()
        for asked in batch[:left]:
            self._begin(asked)
        for asked in batch[left:]:
            asked.found = Unavailable(own, self._no_ticket)
        self._guarded(batch, own, self._keep)
        self._guarded(batch, RELAY, self._log)
        self._guarded(batch, RELAY, self._gather)

    def read(self, batch: Sequence[Asked]) -> None:
        """Steps 3 to 5 for those with a ticket."""
        self._guarded([asked for asked in batch if asked.ticket is not None], POOL, self._scan)

    def _tickets_left(self) -> int:
        """How many questions the day (UTC) has room for, by what was asked from here: members count in the same way."""
        today = int(self.clock()) // DAY_S * DAY_S
        return max(0, self.epoch.context.daily_tickets - self.asked_store.since(today))

    @property
    def _no_ticket(self) -> str:
        limit = self.epoch.context.daily_tickets
        return f"quota: all {limit} tickets of the day are used up; the next ones come at 00:00 UTC"

    def _begin(self, asked: Asked) -> None:
        question, home = asked.question, self.epoch.part.home
        try:
            asked.state, asked.leaf, asked.blinded = QuerierTicket.start(
                asked.identifier,
                self.epoch.context,
                home.signing_key,
                home.name,
                purpose=question.purpose,
                receipt=question.receipt,
                receipt_serial=asked.serial(self.random(32)),
                random=self.random,
                now=self.clock(),
            )
        except ProtocolError as error:
            asked.found = unavailable(error, home.name)

    def _keep(self, batch: Sequence[Asked]) -> None:
        self.consents.take([(_leaf(asked), asked.consent) for asked in batch if asked.consent is not None])
        self.asked_store.keep([(asked.identifier, _leaf(asked), _state(asked).opening) for asked in batch])

    def _log(self, batch: Sequence[Asked]) -> None:
        promises = self.relay.append([_leaf(asked).encode() for asked in batch])
        for asked, promise in zip(batch, promises, strict=True):
            _state(asked).logged(promise, self.clock())
            asked.promise = promise

    def _gather(self, batch: Sequence[Asked]) -> None:
        orders = [
            wire.TicketOrder(leaf=_leaf(asked).encode(), promise=asked.promise, blinded=asked.blinded)
            for asked in batch
        ]
        for asked, outcome in zip(batch, self.relay.ticket(orders, timeout=self.timeout), strict=True):
            if outcome.HasField("refusal"):
                asked.found = refused(outcome.refusal)
                continue
            try:
                asked.ticket = _state(asked).finish(_reply(outcome))
            except ProtocolError as error:
                asked.found = unavailable(error, RELAY)

    def _scan(self, batch: Sequence[Asked]) -> None:
        client = self.epoch.client(self.pool)
        places = [self._place(_ticket(asked)) for asked in batch]
        client.prepare(len(places))  # together, which is cheaper than one by one
        pending, queries = zip(*(client.query(row) for row, _, _ in places), strict=True)
        asks = any(queries)  # with a mirror nothing is: the pool does not even hear when
        if asks:
            KeptAnswers(self.epoch.part.folder).prepare()
        drawn = [draw(self.random) for _ in queries]  # before there is an answer: it must not depend on one
        answers = self._answers(client, queries) if asks else [wire.Answer()] * len(queries)
        for asked, place, kept, query, answer, coin in zip(
            batch, places, pending, queries, answers, drawn, strict=True
        ):
            asked.found = self._open(asked, place, kept, query, answer, coin)

    def _answers(self, client: Client, queries: Sequence[bytes]) -> Sequence[wire.Answer]:
        """The pool's answers. A pool that lost the keys, and no more than that, is given them again."""
        name = self.epoch.keys_name(client)
        try:
            return self.pool.query(queries, name, timeout=self.timeout + len(queries))
        except Refused as error:
            if error.code != "unknown" or not client.keys:
                raise
            self.pool.register(client.keys)
            return self.pool.query(queries, name, timeout=self.timeout + len(queries))

    def _place(self, ticket: Ticket) -> tuple[int, int, bool]:
        """(row, slot, whether the subject stands there); a random place, drawn either way, for who has none."""
        layout = self.epoch.layout
        anywhere = int.from_bytes(self.random(16), "big") % layout.subjects
        found = layout.find(ticket.element)
        return (*(divmod(anywhere, layout.slots) if found is None else found), found is not None)

    def _open(
        self,
        asked: Asked,
        place: tuple[int, int, bool],
        pending: Pending,
        query: bytes,
        answer: wire.Answer,
        drawn: bool,
    ) -> Found:
        """What stands at the place. A row that fails takes the same work as one that holds, whatever is wrong."""
        row, slot, known = place
        epoch, client = self.epoch, self.epoch.client(self.pool)
        kept = HandOver(
            epoch.context.epoch_id,
            epoch.keys_name(client),
            query,
            answer.answer,
            answer.signature.ljust(64, b"\0")[:64],
        )
        values = np.zeros((epoch.geometry.slots, COEFFICIENTS), dtype=np.uint32)
        signatures, failed = epoch.no_signatures, False
        try:
            values, signatures = pending.open(answer.answer)
        except MessageError:
            failed = True
        pool_key, epoch_id = epoch.context.pool_key, kept.epoch_id
        failed |= _fails(verify_row, epoch_id, row, values, signatures, epoch.auditors)
        if kept.query:  # who asks nothing has no answer to be signed, and nothing to hand over
            failed |= _fails(check_answer, pool_key, epoch_id, kept.keys_hash, query, kept.answer, kept.signature)
            KeptAnswers(epoch.part.folder).keep(kept, drawn=drawn, failed=failed, random=self.random)
        opened = _without(values[slot], _ticket(asked).pads)
        found = self._read(opened if known else np.zeros_like(opened))
        reason = "signature: a row without the auditors' signatures; handed over at the epoch's end"
        return Unavailable(POOL, reason) if failed else found

    def _read(self, opened: NDArray[np.uint32]) -> Found:
        try:
            return JointSum.read(opened, len(self.epoch.context.institutions))
        except MessageError:
            return Unavailable("members", "record: a table did not hold what its member signed")

    def _guarded(self, batch: Sequence[Asked], party: str, step: Callable[[Sequence[Asked]], None]) -> None:
        """`step` for those that go on; where it fails as a whole, all of them have found why."""
        going_on = [asked for asked in batch if asked.found is None]
        if not going_on:
            return
        try:
            step(going_on)
        except (FederationError, ProtocolError) as error:
            for asked in going_on:
                asked.ticket, asked.found = None, unavailable(error, party)


def _fails(check: Callable[..., None], *of: Any) -> bool:
    try:
        check(*of)
    except (SignatureError, MessageError):
        return True
    return False


def _without(values: NDArray[np.uint32], pads: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return ((values.astype(np.int64) - pads.astype(np.int64)) % MODULUS).astype(np.uint32)


def _reply(outcome: wire.TicketOutcome) -> TicketReply:
    evaluations = {statement.institution: statement.document for statement in outcome.evaluations}
    openings = {statement.institution: statement.document for statement in outcome.openings}
    if len(evaluations) != len(outcome.evaluations) or len(openings) != len(outcome.openings):
        raise MessageError("ticket", got="two statements of one institution", expected="one of each")
    return TicketReply(evaluations, outcome.combined, openings)


def _leaf(asked: Asked) -> SignedLeaf:
    assert asked.leaf is not None  # noqa: S101 (who has found nothing yet has begun)
    return asked.leaf


def _state(asked: Asked) -> QuerierTicket:
    assert asked.state is not None  # noqa: S101
    return asked.state


def _ticket(asked: Asked) -> Ticket:
    assert asked.ticket is not None  # noqa: S101
    return asked.ticket
