"""The querier's part of a ticket: it logs what it asks, and unblinds what everybody answered.

    state, leaf, blinded = QuerierTicket.start(identifier, context, key, institution, purpose, ...)
    state.logged(promise, now)
    ticket = state.finish(TicketReply(evaluations, combination, pads))

The blinding scalar and the ephemeral key open the pads to whoever recorded the traffic; `finish` forgets both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.errors import MessageError, ProofError, StageError
from protocols.lookup.context import EpochContext
from protocols.lookup.elgamal import check_tag, make_tag, prove_tag
from protocols.lookup.fault import RELAY, Fault
from protocols.lookup.leaf import Leaf, SignedLeaf, blinded_hash, receipt_hash, tag_bond
from protocols.lookup.pads import pad
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.lookup.seal import open_sealed
from protocols.lookup.statement import Bond, Role, check_proven
from protocols.lookup.ticket_relay import check_combination, check_evaluations, check_pad, check_parties
from protocols.oprf.group import Element, Random, Scalar, hash_to_group, invert, multiply, random_scalar
from protocols.signing import SigningKey
from protocols.transparency import Promise, VerifierKey, verify_promise


@dataclass(frozen=True)
class TicketReply:
    """What the relay answers: Z_j and sealed W_j by institution, and D, as their makers signed them."""

    evaluations: Mapping[str, bytes]
    combination: bytes
    pads: Mapping[str, bytes]


@dataclass(frozen=True)
class Ticket:
    """Q, where the subject stands in the layout, and the sum of the members' pads for it, uint32[8] modulo t."""

    element: Element = field(repr=False)
    pads: np.ndarray = field(repr=False)
    leaf_hash: bytes


@dataclass(frozen=True)
class LeafOpening:
    """What a spot check asks for, besides the identifier. For the regulator's eyes: never printed."""

    blind: Scalar = field(repr=False)
    nonce: bytes = field(repr=False)
    receipt: bytes = field(repr=False)

    def check(self, leaf: Leaf, identifier: bytes, oversight: Element | None) -> None:
        """Raises ProofError unless `leaf` asked for this person, on this receipt, under a true tag."""
        person = hash_to_group(identifier)
        if blinded_hash(multiply(self.blind, person)) != leaf.blinded_hash:
            raise ProofError("opening.blind", got="another person", expected="the one whose B was logged")
        if receipt_hash(self.nonce, self.receipt) != leaf.receipt_hash:
            raise ProofError("opening.receipt", got="another receipt", expected="the one that was logged")
        if oversight is not None:
            check_tag(leaf.tag, person, self.nonce, oversight)


class QuerierTicket:
    """One request under way: started, logged, finished. Raises StageError out of order."""

    def __init__(self, context: EpochContext, leaf: SignedLeaf, blinded: Element, secrets: _Secrets) -> None:
        self._context, self.leaf, self.blinded = context, leaf, blinded
        self._secrets: _Secrets | None = secrets
        self._promise: Promise | None = None

    @classmethod
    def start(
        cls,
        identifier: bytes,
        context: EpochContext,
        key: SigningKey,
        institution: str,
        *,
        purpose: str,
        receipt: bytes,
        receipt_serial: str,
        random: Random,
        now: float,
    ) -> tuple[QuerierTicket, SignedLeaf, Element]:
        """The state, the leaf to be logged, and B = r H(id).

        `identifier` is the normalised identifier. Raises what `SignedLeaf.check` raises.
        """
        person = hash_to_group(identifier)
        opening = LeafOpening(random_scalar(random), random(32), receipt)
        ephemeral = X25519PrivateKey.from_private_bytes(random(32))
        blinded = multiply(opening.blind, person)
        oversight, qid = context.oversight, random(16)
        tag = b"" if oversight is None else make_tag(person, opening.nonce, oversight)
        bond = tag_bond(institution, context.epoch_id, qid)
        leaf = Leaf(
            querier=institution,
            epoch_id=context.epoch_id,
            qid=qid,
            purpose=purpose,
            receipt_serial=receipt_serial,
            receipt_hash=receipt_hash(opening.nonce, receipt),
            blinded_hash=blinded_hash(blinded),
            tag=tag,
            ephemeral=ephemeral.public_key().public_bytes_raw(),
            issued_at=int(now),
            tag_proof=prove_tag(tag, bond, opening.nonce, random) if tag else b"",
        ).sign(key)
        leaf.check(context, now)
        return cls(context, leaf, blinded, _Secrets(opening, ephemeral)), leaf, blinded

    @property
    def opening(self) -> LeafOpening:
        """For the querier's own sealed file, until spot checks are over. Raises StageError once forgotten."""
        return self._kept().opening

    def logged(self, promise: bytes, now: float) -> None:
        """Raises StageError when said twice, SignatureError or MessageError for what is not the log's promise."""
        self._kept()
        if self._promise is not None:
            raise StageError("ticket", got="a second promise", expected="one")
        read = Promise.decode(promise)
        verify_promise(read, self.leaf.hash, VerifierKey.of(self._context.log_key), now)
        self._promise = read

    def finish(self, reply: TicketReply) -> Ticket:
        """Check everything, unblind, and forget the secrets.

        Raises Fault naming the party at fault, and then keeps the secrets: the same request can be answered again.
        """
        secrets = self._kept()
        if self._promise is None:
            raise StageError("ticket", got="a reply", expected="the log's promise before it")
        context, leaf_hash = self._context, self.leaf.hash
        total = check_evaluations(context, leaf_hash, self.blinded, reply.evaluations, carrier=RELAY)
        combined = check_combination(context, leaf_hash, total, reply.combination)
        check_parties(context, Role.PAD, reply.pads, RELAY)
        unblind = invert(secrets.opening.blind)
        element = multiply(unblind, combined)
        pads = np.zeros(COEFFICIENTS, np.uint64)
        for institution in context.institutions:
            evaluated = self._open(secrets, institution, combined, reply.pads[institution])
            pads += pad(context.epoch_id, institution, element, multiply(unblind, evaluated))
        self.forget()
        return Ticket(element, (pads % MODULUS).astype(np.uint32), leaf_hash)

    def forget(self) -> None:
        """Let go of the blinding scalar, the nonce and the ephemeral key; nothing can be finished any more."""
        self._secrets = None

    def _open(self, secrets: _Secrets, institution: str, combined: Element, data: bytes) -> Element:
        """W_j. What its member signed and does not open is the member's fault."""
        context, leaf_hash = self._context, self.leaf.hash
        sealed = check_pad(context, leaf_hash, institution, data, RELAY)
        bond = Bond(Role.PAD, institution, context.epoch_id, leaf_hash)
        try:
            proven = open_sealed(secrets.ephemeral, sealed, bond.bytes)
        except MessageError as error:
            raise Fault(institution, Role.PAD, error.got) from error
        return check_proven(bond, context.pads[institution], combined, proven)

    def _kept(self) -> _Secrets:
        if self._secrets is None:
            raise StageError("ticket", got="another step", expected="nothing after the end")
        return self._secrets

    def __repr__(self) -> str:
        return f"QuerierTicket(leaf={self.leaf.hash.hex()[:16]})"


@dataclass(frozen=True)
class _Secrets:
    opening: LeafOpening = field(repr=False)
    ephemeral: X25519PrivateKey = field(repr=False)
