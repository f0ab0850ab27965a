"""What comes too late: entries alone do not show it, a clock does. Pure.

| alert | what it may be |
|---|---|
| `log_unreachable` | the log, or the way to it, is down: whatever was promised cannot be checked |
| `stale_checkpoint` | witnesses are away, the federation is quiet, or the log shows this witness an old state |
| `promise_overdue` | the log took a statement of the regulator's, and shows a tree without it after its time |
| `promise_broken` | the log has another entry where it promised that one: with the promise, proof against it |

The words of an alert depend on what is late and not on when it was looked at: each is raised once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from protocols.transparency import Promise


class Late(NamedTuple):
    """An alert: its code, what it is about, and why."""

    code: str
    place: str
    text: str


def unreachable(heard_at: float, now: float, limit: float) -> Late | None:
    """Whether the log has not answered for `limit` seconds. Times are Unix (s)."""
    if now - heard_at <= limit:
        return None
    return Late("log_unreachable", "log", f"no answer since {_time(heard_at)}, allowed are {limit:g} s")


def stale(size: int, cosigned_at: float, now: float, limit: float) -> Late | None:
    """Whether the newest checkpoint with a quorum, of `size` entries, is older than `limit` seconds."""
    if now - cosigned_at <= limit:
        return None
    what = f"the newest checkpoint with a quorum is of {_time(cosigned_at)}" if size else "no quorum has ever met"
    return Late("stale_checkpoint", f"checkpoint {size}", f"{what}, allowed are {limit:g} s")


def unkept(promise: Promise, leaf: bytes | None, now: float) -> Late | None:
    """Whether `promise` is broken by a tree seen `now`; `leaf`: the hash at its place, None where the tree is smaller.

    A tree seen after the promise's time must have the entry: the log was asked, and showed this one.
    """
    due, place = promise.issued_at + promise.merge_delay_s, f"entry {promise.index}"
    if leaf is None:
        text = f"{promise.leaf_hash.hex()} was promised by {_time(due)}, and the log does not show it"
        return Late("promise_overdue", place, text) if now > due else None
    if leaf != promise.leaf_hash:
        return Late("promise_broken", place, f"{leaf.hex()} stands where {promise.leaf_hash.hex()} was promised")
    return None


def _time(unix: float) -> str:
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"
