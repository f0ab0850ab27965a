"""What every member holds against the log when an epoch closes: whose evaluations, whose leaves, and what is wrong.

Findings are kept as HOME/lookup/findings-COUNTER.json; they name institutions and logged leaves, never a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from clients.institution.lookup.part import Part
from federation.errors import Refused
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.lookup.fields import from_hex
from protocols.lookup.leaf import KIND, SignedLeaf
from protocols.lookup.reconcile import Finding, reconcile, unpack_leaves
from protocols.transparency import read_entry

_log = get_logger("lookup")


def reconciled(part: Part) -> tuple[Finding, ...]:
    """Compare what all members say they evaluated with what the log holds; the findings are on disk afterwards."""
    evaluated = {name: found for name in part.context.institutions if (found := _said(part, name)) is not None}
    findings = reconcile(part.context, evaluated, _leaves(part))
    told = [
        {"kind": str(one.kind), "party": one.party, "leaf": one.leaf_hash.hex(), "detail": one.detail}
        for one in findings
    ]
    file = part.folders.path / f"findings-{part.record.counter:06d}.json"
    write_public(file, json.dumps(told, indent=2).encode(), mode=0o600)
    if findings:
        _log.warning("evaluations differ from the log", count=len(findings), round=part.record.counter)
    else:
        _log.info("evaluations and the log agree", round=part.record.counter)
    return findings


def _said(part: Part, member: str) -> frozenset[bytes] | None:
    """The leaves a member says it evaluated; None where it says nothing that can be read."""
    if not part.record.has("evaluated", member):
        return None
    body = part.record.body("evaluated", member)
    if not body.get("count"):
        return frozenset()
    try:
        return unpack_leaves(part.relay.fetch(from_hex(body.get("leaves"), f"leaves of {member}", 32)))
    except (Refused, ProtocolError):
        return None


def _leaves(part: Part) -> Iterator[bytes]:
    """The logged leaves of this epoch. What cannot be read is of no epoch: it is found all the same."""
    for entry in part.relay.entries(KIND):
        body = read_entry(entry.data).body
        try:
            if SignedLeaf.decode(body).leaf.epoch_id == part.context.epoch_id:
                yield body
        except ProtocolError:
            yield body
