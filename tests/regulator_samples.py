"""A trail with something for every page: audits asked and answered, a draw and its replay, inquiries, refusals."""

from __future__ import annotations

from functools import cache
from typing import Any

from audit_world import audit_result
from inquiry_epoch import DAY, epoch_of, steps_of
from oversight_federation import make_plan
from oversight_replays import Replayed
from oversight_world import NOW, World, key_of

from federation.oversight.audits import AuditRequest, AuditResult
from protocols.lookup.context import EpochContext
from protocols.lookup.leaf import KIND, Leaf
from protocols.transparency import Entry

_DEADLINE = NOW + 30 * 86_400


@cache
def told() -> World:
    """The honest run with audits that pass, a replay that matches and one that is awaited, and inquiries."""
    federation = Replayed()
    federation.enrol()
    federation.run(make_plan(replay=True))
    federation.ledgers["bank-c"].refuse("bundle_not_allowed", "bundle_hash", got="ab" * 32, expected="one accepted")
    federation.log("bank-c")
    federation.draw("bank-a", deadline=_DEADLINE)
    federation.replay("bank-a")
    federation.draw("bank-b", round=2, deadline=_DEADLINE)
    asked = AuditRequest("bank-a", "contract", make_plan(replay=True).hash, "ab" * 32, _DEADLINE).sign(
        key_of("regulator")
    )
    said = [
        asked,
        _audit("bank-a", "contract", 0.93, asked).sign(key_of("bank-a")),
        _audit("bank-c", "canary", 0.61, None).sign(key_of("bank-c")),
        *(_inquiry(number) for number in range(12)),
    ]
    world = federation.world()
    return world.inserted(len(world.entries), *steps_of(_epoch()), *(entry.data for entry in said))


def exceeding() -> World:
    """And an audit of bank-b that measures more than is claimed."""
    entry = _audit("bank-b", "canary", 1.31, None).sign(key_of("bank-b"))
    return told().inserted(len(told().entries), entry.data)


def tampered(position: int) -> bytes:
    """The entry at `position` with one character of its text changed."""
    data = told().entries[position]
    at = data.index(b'"institution":"') + len(b'"institution":"')
    return data[:at] + b"x" + data[at + 1 :]


def _audit(name: str, kind: Any, share: float, asked: Entry | None) -> AuditResult:
    return audit_result(
        make_plan(replay=True), name, kind, share=share, request=None if asked is None else asked.hash.hex()
    )


@cache
def _epoch() -> EpochContext:
    return epoch_of(NOW - DAY, oversight=False)


def _inquiry(number: int) -> Entry:
    """As a querier signs it; about nobody."""
    querier = f"bank-{'abc'[number % 3]}"
    leaf = Leaf(
        querier=querier,
        epoch_id=_epoch().epoch_id,
        qid=number.to_bytes(16, "big"),
        purpose=("credit application", "account review")[number % 2],
        receipt_serial=f"serial-{number}",
        receipt_hash=bytes(32),
        blinded_hash=bytes(32),
        tag=b"",
        ephemeral=bytes(32),
        issued_at=NOW + number,
    )
    return Entry(KIND, leaf.sign(key_of(querier)).encode())
