"""Why a request or a reply was refused: a closed list of codes, the same at both ends.

>>> str(Code.LATE)
'late'
"""

from __future__ import annotations

from enum import StrEnum

from federation.errors import FederationError, Refused
from protocols.errors import ProtocolError, SignatureError


class Code(StrEnum):
    """What is wrong, in one word that may cross the wire."""

    # either end
    UNREADABLE = "unreadable"  # bytes that are no envelope, document or message of the kind expected
    UNSIGNED = "unsigned"
    WRONGLY_SIGNED = "wrongly_signed"
    NOT_A_MEMBER = "not_a_member"
    WRONG_PLAN = "wrong_plan"
    WRONG_ROUND = "wrong_round"
    LATE = "late"
    NOT_FINITE = "not_finite"
    WRONG_SHAPE = "wrong_shape"
    OVERSIZED = "oversized"
    # an institution's node to the coordinator
    UNKNOWN_KIND = "unknown_kind"
    UNSIGNED_PLAN = "unsigned_plan"  # an approval is missing or does not verify
    NOT_APPROVED = "not_approved"  # this institution never approved the plan
    APPROVAL_PENDING = "approval_pending"  # a person at the institution has yet to decide
    OUTSIDE_POLICY = "outside_policy"
    WRONG_CATALOGUE = "wrong_catalogue"
    WRONG_BUNDLE = "wrong_bundle"
    PLAN_EXPIRED = "plan_expired"
    ANOTHER_MODEL = "another_model"  # the round was answered for a different model
    ATTEMPTS_SPENT = "attempts_spent"
    BUDGET_EXCEEDED = "budget_exceeded"
    LOG_UNAVAILABLE = "log_unavailable"  # what was reserved is not promised by the log yet: ask again
    NO_BEACON = "no_beacon"  # the round is to be drawn from a committed seed, and its beacon is not known: ask again
    NO_MASKS = "no_masks"  # secure aggregation refuses: its set-up, a list of survivors, or what another member sent
    INTERNAL = "internal"  # details stay in the institution's own log
    # the round driver about a reply
    DUPLICATE = "duplicate"
    WRONG_MODEL = "wrong_model"
    UNLOGGED = "unlogged"  # no checkpoint that a quorum cosigned shows the reservation
    WRONG_RESERVATION = "wrong_reservation"  # what the log shows under its hash pays for something else
    TRANSPORT = "transport"  # Flower could not deliver the request or the reply
    REFUSED = "refused"  # the node refused; its own code is told beside this one


# Codes of requests of which nobody is known to be the sender.
UNPROVEN = frozenset({Code.UNREADABLE, Code.UNSIGNED, Code.WRONGLY_SIGNED, Code.UNKNOWN_KIND})


class RunFailed(FederationError):  # noqa: N818 (the name is what the operator reads)
    """A run that cannot go on: who or what is missing, after every attempt the plan allows."""


def signature_code(error: ProtocolError) -> Code:
    """The code of an envelope that could not be opened."""
    if not isinstance(error, SignatureError):
        return Code.UNREADABLE
    return Code.UNSIGNED if error.got == "none" else Code.WRONGLY_SIGNED


def refused(code: Code, error: ProtocolError | FederationError) -> Refused:
    """`error` as a refusal with `code`."""
    where = error.field if isinstance(error, ProtocolError) else error.where
    return Refused(code, where, got=error.got, expected=error.expected)
