"""The relay's part of a ticket: it combines what the members evaluated, and passes on what holds."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.lookup.context import EpochContext
from protocols.lookup.fault import RELAY, Fault
from protocols.lookup.leaf import SignedLeaf, check_blinded
from protocols.lookup.statement import (
    SEALED_PAD_BYTES,
    Bond,
    Role,
    check_made,
    check_signed,
    prove,
    signed,
)
from protocols.oprf.group import Element, Random, Scalar, sum_of
from protocols.signing import SigningKey


def combine(
    context: EpochContext,
    secret: Scalar,
    key: SigningKey,
    leaf: bytes,
    blinded: Element,
    evaluations: Mapping[str, bytes],
    random: Random,
) -> bytes:
    """D for one leaf: `secret` is the relay's z, `key` the coordinator's. 160 bytes.

    Raises Fault naming the member whose evaluation is missing or does not hold, MessageError for a B that was not
    logged.
    """
    request = SignedLeaf.decode(leaf)
    check_blinded(request.leaf, blinded)
    total = check_evaluations(context, request.hash, blinded, evaluations, carrier=None)
    bond = Bond(Role.COMBINATION, RELAY, context.epoch_id, request.hash)
    _, proven = prove(bond, secret, context.relay_public, total, random)
    return signed(bond, proven, key)


def check_evaluation(
    context: EpochContext,
    leaf_hash: bytes,
    institution: str,
    blinded: Element,
    data: bytes,
    carrier: str,
    *,
    proof_alone: bool = False,
) -> Element:
    """Z_j of one member. Raises Fault naming it, or the `carrier` if the signature is not the member's."""
    member = context.roster.member(institution)
    bond = Bond(Role.EVALUATION, institution, context.epoch_id, leaf_hash)
    return check_made(bond, data, member.pseudonym_key, blinded, member.key, carrier, proof_alone=proof_alone)


def check_evaluations(
    context: EpochContext,
    leaf_hash: bytes,
    blinded: Element,
    evaluations: Mapping[str, bytes],
    *,
    carrier: str | None,
    known: Mapping[str, Element] | None = None,
    proof_alone: bool = False,
) -> Element:
    """The sum of all Z_j, of every member one. `carrier` brought them; None: each came from its member.

    `known` are elements the caller computed itself: for those equality is enough. `proof_alone` as in `check_made`.
    Raises Fault.
    """
    check_parties(context, Role.EVALUATION, evaluations, carrier)
    known = known or {}
    elements = []
    for institution in context.institutions:
        data = evaluations[institution]
        if institution in known:
            if data[:32] != known[institution]:
                raise Fault(carrier or institution, Role.EVALUATION, f"another element than {institution} made")
            elements.append(known[institution])
        else:
            brought = carrier or institution
            elements.append(
                check_evaluation(context, leaf_hash, institution, blinded, data, brought, proof_alone=proof_alone)
            )
    return sum_of(elements)  # k B, not the identity: a roster's shares do not cancel each other


def check_combination(
    context: EpochContext, leaf_hash: bytes, total: Element, data: bytes, *, proof_alone: bool = False
) -> Element:
    """D over the sum of all Z_j. Raises Fault naming the relay."""
    bond = Bond(Role.COMBINATION, RELAY, context.epoch_id, leaf_hash)
    return check_made(bond, data, context.relay_public, total, context.relay_key, RELAY, proof_alone=proof_alone)


def check_pad(context: EpochContext, leaf_hash: bytes, institution: str, data: bytes, carrier: str) -> bytes:
    """The sealed part of a member's W_j, which the relay passes on unread. Raises Fault naming the `carrier`."""
    bond = Bond(Role.PAD, institution, context.epoch_id, leaf_hash)
    return check_signed(bond, data, SEALED_PAD_BYTES, context.roster.member(institution).key, carrier)


def check_parties(context: EpochContext, role: Role, given: Mapping[str, bytes], carrier: str | None) -> None:
    """Raises Fault unless `given` has one statement of every member, and none of a stranger."""
    for institution in context.institutions:
        if institution not in given:
            raise Fault(carrier or institution, role, f"none of {institution}", expected="one of every member")
    for institution in given:
        if institution not in context.institutions:
            raise Fault(carrier or RELAY, role, f"one of {institution}", expected="members only")
