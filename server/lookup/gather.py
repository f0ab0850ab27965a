"""What the relay gathers from all members while somebody waits: enrolment evaluations, and the two rounds of tickets.

    reply = evaluate(relay, "bank-a", envelope, wait)
    outcomes = tickets(relay, "bank-a", orders, wait)

A refusal names whose fault it is. Nothing is charged here: members charge a leaf once, however often it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation.errors import FederationError, Refused
from protocols.errors import ProtocolError, StageError
from protocols.lookup.context import EpochContext
from protocols.lookup.fault import RELAY, Fault, TicketRefused
from protocols.lookup.leaf import SignedLeaf
from protocols.lookup.ticket import check_pad, combine
from protocols.oprf.dleq import COMPOSED_SIZE
from protocols.wire import lookup_pb2 as wire
from server.lookup.epochs import Code
from server.lookup.relay import Relay, evaluated_by

MAX_ORDERS = 64


@dataclass(frozen=True)
class Wait:
    """How long the caller waits, in seconds, and whether it still does."""

    left: Callable[[], float]
    wanted: Callable[[], bool]


_NOBODYS = frozenset((Code.TOO_EARLY, Code.CLOSED, Code.BUSY, Code.UNREACHABLE))


class _Blamed(Exception):  # noqa: N818 (never leaves this module)
    def __init__(self, refusal: wire.Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def tickets(relay: Relay, caller: str, orders: Sequence[wire.TicketOrder], wait: Wait) -> list[wire.TicketOutcome]:
    """One outcome for each order. Raises Refused for a batch that nobody can answer (closed, busy, somebody away).

    1. the leaf is the caller's, of the open epoch;  2. every member evaluates B;  3. the relay checks every evaluation
    and combines them;  4. every member opens its pad for that;  5. what was sealed is passed on if its maker signed.
    """
    if not 1 <= len(orders) <= MAX_ORDERS:
        raise Refused(Code.INVALID, "orders", got=len(orders), expected=f"1 to {MAX_ORDERS}")
    context, secret = _open_epoch(relay, SignedLeaf.decode(orders[0].leaf).leaf.epoch_id)
    batch = [_Order(relay, context, secret, caller, order) for order in orders]
    living = [order for order in batch if order.living]
    if living:
        task = wire.Task(first=wire.FirstTask(orders=[order.order for order in living]))
        _round(relay, context, task, living, wait, _Order.evaluated)
    for order in living:
        order.combine()
    if living := [order for order in living if order.living]:
        task = wire.Task(second=wire.SecondTask(orders=[order.second() for order in living]))
        _round(relay, context, task, living, wait, _Order.opened)
    return [order.outcome for order in batch]


class _Order:
    """One ticket on its way through the relay; `outcome` is what the querier gets."""

    def __init__(
        self, relay: Relay, context: EpochContext, secret: bytes, caller: str, order: wire.TicketOrder
    ) -> None:
        self._relay, self._context, self._secret = relay, context, secret
        self.order, self.outcome = order, wire.TicketOutcome()
        with _blaming(self, caller):
            leaf = SignedLeaf.decode(order.leaf)
            leaf.check(context, relay.now())
            if leaf.leaf.querier != caller:
                raise Refused(Code.NOT_EXPECTED, "leaf.querier", got=leaf.leaf.querier, expected=caller)
            self._hash = leaf.hash

    @property
    def living(self) -> bool:
        return not self.outcome.HasField("refusal")

    def evaluated(self, institution: str, answer: wire.Answered) -> None:
        self.outcome.evaluations.add(institution=institution, document=_document(institution, answer))

    def combine(self) -> None:
        if not self.living:
            return
        with _blaming(self, RELAY):
            relay, evaluations = self._relay, evaluated_by(self.outcome.evaluations)
            self.outcome.combined = combine(
                self._context,
                self._secret,
                relay.key,
                self.order.leaf,
                self.order.blinded,
                evaluations,
                relay.random,
            )

    def second(self) -> wire.SecondOrder:
        return wire.SecondOrder(
            leaf=self.order.leaf,
            blinded=self.order.blinded,
            evaluations=self.outcome.evaluations,
            combined=self.outcome.combined,
        )

    def opened(self, institution: str, answer: wire.Answered) -> None:
        document = _document(institution, answer)
        check_pad(self._context, self._hash, institution, document, carrier=institution)
        self.outcome.openings.add(institution=institution, document=document)

    def refuse(self, refusal: wire.Refusal) -> None:
        """The outcome is this refusal and nothing else."""
        self.outcome.Clear()
        self.outcome.refusal.CopyFrom(refusal)


def _round(
    relay: Relay,
    context: EpochContext,
    task: wire.Task,
    orders: Sequence[_Order],
    wait: Wait,
    take: Callable[[_Order, str, wire.Answered], None],
) -> None:
    """Ask every member, then give each answer to its order. An order that a member spoilt is not asked about again.

    Nobody is waited for past the epoch: Refused (closed), and not the name of who has not answered yet.
    """

    def wanted() -> bool:
        return wait.wanted() and relay.serves(context.epoch_id)

    try:
        answers = relay.duties.ask(dict.fromkeys(context.institutions, task), wait.left(), wanted=wanted)
    except Refused:
        relay.context(context.epoch_id)
        raise
    for institution in context.institutions:
        given = answers[institution]
        for number, order in enumerate(orders):
            if not order.living:
                continue
            with _blaming(order, institution):
                if len(given) != len(orders):
                    raise Fault(institution, "answer", f"{len(given)} answers", expected=f"{len(orders)}")
                take(order, institution, given[number])


def evaluate(relay: Relay, batch: wire.EnrolTask, members: Sequence[str], wait: Wait) -> list[wire.Evaluated]:
    """Every member's evaluation of a charged and logged batch. Raises Refused naming who is away or refuses.

    The proofs are for the member that enrols: it verifies each before it uses any (`protocols.oprf.enrolment`).
    """
    answers = relay.duties.ask(dict.fromkeys(members, wire.Task(enrol=batch)), wait.left(), wanted=wait.wanted)
    evaluated = []
    for institution in members:
        answer = answers[institution][0] if len(answers[institution]) == 1 else wire.Answered()
        if answer.HasField("refusal"):
            raise _as_error(institution, answer.refusal)
        points, proof = answer.evaluated.points, answer.evaluated.proof
        if not points or len(proof) != COMPOSED_SIZE:
            raise Refused(Code.PROOF, institution, got="another answer", expected="elements and their proof")
        evaluated.append(wire.Evaluated(institution=institution, points=points, proof=proof))
    return evaluated


def _open_epoch(relay: Relay, epoch_id: bytes) -> tuple[EpochContext, bytes]:
    context = relay.context(epoch_id)
    secret = relay.folders.existing_relay_secret(context.signed.layout.counter)
    if secret is None:
        raise Refused(Code.CLOSED, "epoch", got="one whose secret is erased", expected="an open epoch")
    return context, secret


def _document(institution: str, answer: wire.Answered) -> bytes:
    if answer.HasField("refusal"):
        refusal = wire.Refusal()
        refusal.CopyFrom(answer.refusal)
        refusal.where = f"{institution}: {refusal.where}"[:200]
        refusal.party = institution  # whomever it names: what the others sent was verified here
        raise _Blamed(refusal)
    return answer.document


class _blaming:  # noqa: N801 (reads as a statement)
    """Turns an error of the block into the order's refusal; `party` is at fault where the error names nobody."""

    def __init__(self, order: _Order, party: str) -> None:
        self._order, self._party = order, party

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, _Blamed):
            self._order.refuse(error.refusal)
            return True
        if isinstance(error, FederationError | ProtocolError):
            self._order.refuse(refusal_of(error, self._party))
            return True
        return False


def refusal_of(error: FederationError | ProtocolError, party: str) -> wire.Refusal:
    """The error as a refusal inside a reply."""
    where = error.field if isinstance(error, ProtocolError) else error.where
    code = _code(error)
    party = error.party if isinstance(error, Fault) else "" if code in _NOBODYS else party
    return wire.Refusal(code=code, where=where, got=error.got, expected=error.expected, party=party)


def _code(error: FederationError | ProtocolError) -> str:
    match error:
        case Refused() | TicketRefused():
            return error.code
        case Fault():
            return Code.PROOF
        case StageError():
            return Code.TOO_EARLY
        case _:
            return Code.INVALID


def _as_error(institution: str, refusal: wire.Refusal) -> Refused:
    where = f"{institution}: {refusal.where}"
    return Refused(refusal.code or Code.INVALID, where, got=refusal.got, expected=refusal.expected)
