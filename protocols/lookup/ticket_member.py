"""A member's part of a ticket: it evaluates what was logged, and opens pads for what everybody evaluated.

    tickets = MemberTickets(context, "bank-a", k, s, key, guard, os.urandom)
    z = tickets.first(leaf, promise, blinded, now)
    w = tickets.second(leaf, blinded, evaluations, combination, now)

It keeps no state between the two but what the guard remembers: both can be asked again, in any process, and mean the
same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from protocols.errors import MessageError, ProtocolError, StageError
from protocols.lookup.context import EpochContext
from protocols.lookup.fault import RELAY
from protocols.lookup.leaf import SignedLeaf, check_blinded
from protocols.lookup.seal import seal
from protocols.lookup.statement import Bond, Role, prove, signed
from protocols.lookup.ticket_guard import Charge, TicketGuard
from protocols.lookup.ticket_relay import check_combination, check_evaluations
from protocols.oprf.group import Element, Random, Scalar, base, check_scalar, multiply
from protocols.signing import SigningKey
from protocols.transparency import Promise, VerifierKey, verify_promise

_DAY_S = 86_400
_Given = ParamSpec("_Given")
_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True)
class FirstOrder:
    """A logged request: leaf and promise as documents, and B."""

    leaf: bytes
    promise: bytes
    blinded: Element


@dataclass(frozen=True)
class SecondOrder:
    """The same request with what everybody made of it: Z_j by institution, and D."""

    leaf: bytes
    blinded: Element
    evaluations: Mapping[str, bytes]
    combination: bytes


class MemberTickets:
    """`share` is k_j, `pad` is s_j; both must be those that the epoch names for `institution`, as must `key`.

    Raises MessageError for secrets that are not.
    """

    def __init__(
        self,
        context: EpochContext,
        institution: str,
        share: Scalar,
        pad: Scalar,
        key: SigningKey,
        guard: TicketGuard,
        random: Random,
    ) -> None:
        member = context.roster.member(institution)
        self._context, self._institution = context, institution
        self._public, self._pad_public = member.pseudonym_key, context.pads[institution]
        for name, secret, public in (("pseudonym key", share, self._public), ("pad key", pad, self._pad_public)):
            if base(check_scalar(secret, name)) != public:
                raise MessageError(f"{name} of {institution}", got="another", expected="the one the epoch names")
        if key.public != member.key:
            raise MessageError(f"signing key of {institution}", got=key.public.key_id, expected=member.key.key_id)
        self._share, self._pad, self._key = share, pad, key
        self._guard, self._random = guard, random
        self._log_key = VerifierKey.of(context.log_key)

    def first(self, leaf: bytes, promise: bytes, blinded: Element, now: float) -> bytes:
        """Z_j = k_j B, proven and signed: 160 bytes. Raises what `first_all` gives in its place."""
        return _only(self.first_all([FirstOrder(leaf, promise, blinded)], now))

    def second(
        self, leaf: bytes, blinded: Element, evaluations: Mapping[str, bytes], combination: bytes, now: float
    ) -> bytes:
        """W_j = s_j D, proven, sealed, signed: 208 bytes. Raises what `second_all` gives in its place."""
        return _only(self.second_all([SecondOrder(leaf, blinded, evaluations, combination)], now))

    def first_all(self, orders: Sequence[FirstOrder], now: float) -> list[bytes | ProtocolError]:
        """Z_j = k_j B for each order, proven and signed: 160 bytes; or why there is none.

        1. the leaf is the querier's, of this open epoch, for a purpose it may have; 2. the log promised it; 3. B is the
        element that was logged; 4. quota and receipt allow it, durably, in one transaction for all; only then is
        anything evaluated.
        """
        checked = [_tried(self._check_first, order, now) for order in orders]
        charges = [self._charge(request, order, now) for request, order in _going_on(checked, orders)]
        refusals = iter(self._guard.charge(charges) if charges else ())
        settled = [request if isinstance(request, ProtocolError) else next(refusals) or request for request in checked]
        return [
            request if isinstance(request, ProtocolError) else self._evaluate(request, order)
            for request, order in zip(settled, orders, strict=True)
        ]

    def second_all(self, orders: Sequence[SecondOrder], now: float) -> list[bytes | ProtocolError]:
        """W_j = s_j D for each order, proven, sealed to the leaf's ephemeral key, signed: 208 bytes; or why not.

        1. this member charged this leaf, so it checked it; 2. B is the element that was logged; 3. every Z_j is its
        member's multiple of B; 4. D is the relay's multiple of their sum. So D can be nothing but this request's.
        """
        requests = [_tried(SignedLeaf.decode, order.leaf) for order in orders]
        charged = self._guard.charged({request.hash for request, _ in _going_on(requests, orders)})
        return [
            request if isinstance(request, ProtocolError) else _tried(self._open, request, order, charged, now)
            for request, order in zip(requests, orders, strict=True)
        ]

    def _check_first(self, order: FirstOrder, now: float) -> SignedLeaf:
        request = SignedLeaf.decode(order.leaf)
        request.check(self._context, now)
        verify_promise(Promise.decode(order.promise), request.hash, self._log_key, now)
        check_blinded(request.leaf, order.blinded)
        return request

    def _charge(self, request: SignedLeaf, order: FirstOrder, now: float) -> Charge:
        return Charge(
            querier=request.leaf.querier,
            day=int(now // _DAY_S),
            leaf_hash=request.hash,
            serial=request.leaf.receipt_serial,
            limit=self._context.daily_tickets,
            promise=order.promise,
        )

    def _evaluate(self, request: SignedLeaf, order: FirstOrder) -> bytes:
        bond = self._bond(Role.EVALUATION, request)
        _, proven = prove(bond, self._share, self._public, order.blinded, self._random)
        return signed(bond, proven, self._key)

    def _open(self, request: SignedLeaf, order: SecondOrder, charged: Collection[bytes], now: float) -> bytes:
        if request.hash not in charged:
            raise StageError("ticket", got="a second step", expected="the first step before it")
        request.check_epoch(self._context)
        self._context.check_open(now)
        check_blinded(request.leaf, order.blinded)
        own = {self._institution: multiply(self._share, order.blinded)}
        total = check_evaluations(
            self._context, request.hash, order.blinded, order.evaluations, carrier=RELAY, known=own, proof_alone=True
        )
        element = check_combination(self._context, request.hash, total, order.combination, proof_alone=True)
        bond = self._bond(Role.PAD, request)
        _, proven = prove(bond, self._pad, self._pad_public, element, self._random)
        return signed(bond, seal(request.leaf.ephemeral, proven, bond.bytes), self._key)

    def _bond(self, role: Role, request: SignedLeaf) -> Bond:
        return Bond(role, self._institution, self._context.epoch_id, request.hash)

    def __repr__(self) -> str:
        return f"MemberTickets({self._institution!r})"


def _tried(call: Callable[_Given, _T], *args: _Given.args, **kwargs: _Given.kwargs) -> _T | ProtocolError:
    try:
        return call(*args, **kwargs)
    except ProtocolError as error:
        return error


def _going_on(results: Sequence[_T | ProtocolError], orders: Sequence[_U]) -> Iterator[tuple[_T, _U]]:
    for result, order in zip(results, orders, strict=True):
        if not isinstance(result, ProtocolError):
            yield result, order


def _only(results: Sequence[bytes | ProtocolError]) -> bytes:
    [result] = results
    if isinstance(result, ProtocolError):
        raise result
    return result
