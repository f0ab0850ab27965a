"""At the end of an epoch: what the members evaluated against what the log holds. Every member does it for itself.

    findings = reconcile(context, {"bank-a": unpack_leaves(blob), ...}, [body of every logged leaf])

A ticket needs every member, so one institution alone cannot serve a friend off the log; what it can do is evaluate, and
that shows here unless it lies about it, and then nothing comes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from protocols.errors import MessageError, ProtocolError
from protocols.lookup.context import EpochContext
from protocols.lookup.leaf import SignedLeaf

_DAY_S = 86_400
_HASH = 32


class Kind(StrEnum):
    """What was found. The party is the institution, the querier, or "log" for what the log should not have taken."""

    EVALUATED_NOT_LOGGED = "evaluated-not-logged"
    LOGGED_NOT_EVALUATED = "logged-not-evaluated"  # by this member, though another one did: a failed or hidden request
    NOTHING_REPORTED = "nothing-reported"
    OVER_QUOTA = "over-quota"
    RECEIPT_SERVED_TWICE = "receipt-served-twice"
    PROMISE_BROKEN = "promise-broken"  # the log promised an entry and does not hold it there
    HISTORY_CHANGED = "history-changed"  # the log is no continuation of what it showed before
    NOT_CHECKED = "not-checked"  # nobody could tell: the log did not show what it owes
    INVALID_LEAF = "invalid-leaf"  # unreadable, of another epoch, or not signed by the querier it names


@dataclass(frozen=True, order=True)
class Finding:
    """`leaf_hash` is b"" where no single leaf is meant."""

    kind: Kind
    party: str
    leaf_hash: bytes
    detail: str


def reconcile(
    context: EpochContext, evaluated: Mapping[str, Set[bytes]], logged: Iterable[bytes]
) -> tuple[Finding, ...]:
    """What does not fit, sorted; () if all does.

    evaluated: the leaf hashes each institution says it evaluated, under its signature; logged: the bodies of all leaves
    that the log holds for this epoch. Days count from 1970-01-01 (UTC) by the time in the leaf.
    """
    findings: list[Finding] = []
    leaves: dict[bytes, SignedLeaf] = {}
    for body in logged:
        try:
            leaf = _read(context, body)
        except ProtocolError as error:
            findings.append(Finding(Kind.INVALID_LEAF, "log", b"", str(error)))
        else:
            leaves[leaf.hash] = leaf
    findings += _unlogged(evaluated, leaves)
    findings += _unevaluated(context, evaluated, leaves)
    findings += _counts(context, _served(evaluated), leaves)
    return tuple(sorted(findings))


def most_leaves(context: EpochContext) -> int:
    """How many leaves a member can have charged in an epoch: every querier's quota on every day that it touches.

    What a member says it evaluated is read by all others, so it may not be as long as it likes.
    """
    epoch = context.signed.epoch
    days = (epoch.closes_at - 1) // _DAY_S - epoch.opens_at // _DAY_S + 1
    return len(context.institutions) * context.daily_tickets * days


def pack_leaves(leaves: Set[bytes]) -> bytes:
    """The hashes in order, 32 bytes each: what a member reports."""
    return b"".join(sorted(leaves))


def unpack_leaves(data: bytes) -> frozenset[bytes]:
    """Raises MessageError unless `pack_leaves` gives these bytes."""
    if len(data) % _HASH:
        raise MessageError("evaluated leaves", got=f"{len(data)} bytes", expected=f"a multiple of {_HASH}")
    hashes = [data[at : at + _HASH] for at in range(0, len(data), _HASH)]
    if any(left >= right for left, right in pairwise(hashes)):
        raise MessageError("evaluated leaves", got="another order", expected="sorted, each once")
    return frozenset(hashes)


def _read(context: EpochContext, body: bytes) -> SignedLeaf:
    leaf = SignedLeaf.decode(body)
    if leaf.leaf.epoch_id != context.epoch_id:
        raise MessageError("leaf.epoch_id", got=leaf.leaf.epoch_id.hex()[:16], expected=context.epoch_id.hex()[:16])
    leaf.check_signature(context)
    return leaf


def _unlogged(evaluated: Mapping[str, Set[bytes]], leaves: Mapping[bytes, SignedLeaf]) -> list[Finding]:
    return [
        Finding(Kind.EVALUATED_NOT_LOGGED, institution, leaf, "the log owes this entry, or there was no promise")
        for institution, hashes in evaluated.items()
        for leaf in hashes
        if leaf not in leaves
    ]


def _unevaluated(
    context: EpochContext, evaluated: Mapping[str, Set[bytes]], leaves: Mapping[bytes, SignedLeaf]
) -> list[Finding]:
    served = _served(evaluated)
    findings = []
    for institution in context.institutions:
        if institution not in evaluated:
            findings.append(Finding(Kind.NOTHING_REPORTED, institution, b"", "no signed set of evaluated leaves"))
            continue
        for leaf in leaves.keys() & served - evaluated[institution]:
            findings.append(Finding(Kind.LOGGED_NOT_EVALUATED, institution, leaf, "others evaluated it"))
    return findings


def _served(evaluated: Mapping[str, Set[bytes]]) -> set[bytes]:
    return {leaf for hashes in evaluated.values() for leaf in hashes}


def _counts(context: EpochContext, served: Set[bytes], leaves: Mapping[bytes, SignedLeaf]) -> list[Finding]:
    tickets = Counter((each.leaf.querier, each.leaf.issued_at // _DAY_S) for each in leaves.values())
    serials = Counter((leaves[each].leaf.querier, leaves[each].leaf.receipt_serial) for each in served & leaves.keys())
    return [
        Finding(Kind.OVER_QUOTA, querier, b"", f"{count} tickets on day {day}, at most {context.daily_tickets}")
        for (querier, day), count in tickets.items()
        if count > context.daily_tickets
    ] + [
        Finding(Kind.RECEIPT_SERVED_TWICE, querier, b"", f"serial {serial} in {count} leaves that were evaluated")
        for (querier, serial), count in serials.items()
        if count > 1
    ]
