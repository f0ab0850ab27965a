"""A member's part of a ticket: it evaluates what was logged, and opens pads for what everybody evaluated.

    tickets = MemberTickets(context, "bank-a", k, s, key, guard, os.urandom)
    z = tickets.first(leaf, promise, blinded, now)
    w = tickets.second(leaf, blinded, evaluations, combination, now)

It keeps no state between the two but what the guard remembers: both can be asked again, in any process, and mean the
same.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocols.errors import MessageError, StageError
from protocols.lookup.context import EpochContext
from protocols.lookup.fault import RELAY
from protocols.lookup.leaf import SignedLeaf, check_blinded
from protocols.lookup.seal import seal
from protocols.lookup.statement import Bond, Role, prove, signed
from protocols.lookup.ticket_guard import TicketGuard
from protocols.lookup.ticket_relay import check_combination, check_evaluations
from protocols.oprf.group import Element, Random, Scalar, base, check_scalar, multiply
from protocols.signing import SigningKey
from protocols.transparency import Promise, VerifierKey, verify_promise

_DAY_S = 86_400


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
        """Z_j = k_j B, proven and signed: 160 bytes.

        1. the leaf is the querier's, of this open epoch, for a purpose it may have; 2. the log promised it; 3. B is the
        element that was logged; 4. quota and receipt allow it, durably; only then is anything evaluated.
        """
        request = SignedLeaf.decode(leaf)
        request.check(self._context, now)
        verify_promise(Promise.decode(promise), request.hash, self._log_key, now)
        check_blinded(request.leaf, blinded)
        self._guard.charge(
            querier=request.leaf.querier,
            day=int(now // _DAY_S),
            leaf_hash=request.hash,
            serial=request.leaf.receipt_serial,
            limit=self._context.daily_tickets,
            promise=promise,
        )
        bond = self._bond(Role.EVALUATION, request)
        _, proven = prove(bond, self._share, self._public, blinded, self._random)
        return signed(bond, proven, self._key)

    def second(
        self, leaf: bytes, blinded: Element, evaluations: Mapping[str, bytes], combination: bytes, now: float
    ) -> bytes:
        """W_j = s_j D, proven, sealed to the leaf's ephemeral key, signed: 208 bytes.

        1. this member charged this leaf, so it checked it; 2. B is the element that was logged; 3. every Z_j is its
        member's multiple of B; 4. D is the relay's multiple of their sum. So D can be nothing but this request's.
        """
        request = SignedLeaf.decode(leaf)
        if not self._guard.charged(request.hash):
            raise StageError("ticket", got="a second step", expected="the first step before it")
        self._context.check_open(now)
        check_blinded(request.leaf, blinded)
        own = {self._institution: multiply(self._share, blinded)}
        total = check_evaluations(self._context, request.hash, blinded, evaluations, carrier=RELAY, known=own)
        element = check_combination(self._context, request.hash, total, combination)
        bond = self._bond(Role.PAD, request)
        _, proven = prove(bond, self._pad, self._pad_public, element, self._random)
        return signed(bond, seal(request.leaf.ephemeral, proven, bond.bytes), self._key)

    def _bond(self, role: Role, request: SignedLeaf) -> Bond:
        return Bond(role, self._institution, self._context.epoch_id, request.hash)

    def __repr__(self) -> str:
        return f"MemberTickets({self._institution!r})"
