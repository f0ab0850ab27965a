"""What every member holds against the log when an epoch closes: whose evaluations, whose leaves, and what is wrong.

The log first (`log_check`): its promises to this member, and that it is one history. Then everybody's evaluations
against its leaves. The relay hands all of this out, so it is bounded in time, and what is withheld is a finding.

Findings are kept as HOME/lookup/findings-COUNTER.json; they name institutions and logged leaves, never a person.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.log_check import check_log, last_checkpoint
from clients.institution.lookup.part import Part
from clients.institution.lookup.serving_database import lookup_database
from clients.institution.member_client import PATIENCE_S
from clients.institution.oversight.log_client import LogClient
from federation.errors import Refused
from federation.runtime.database import open_engine
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from federation.runtime.rpc import Unreachable
from protocols.errors import ProtocolError
from protocols.lookup.fields import from_hex
from protocols.lookup.leaf import KIND, SignedLeaf
from protocols.lookup.reconcile import Finding, Kind, most_leaves, reconcile, unpack_leaves
from protocols.transparency import read_entry

LONGEST_S = 300.0  # of asking the log
MOST_LEAVES = 10**7  # of one member and epoch, whatever the quotas allow
_log = get_logger("lookup")


def reconciled(part: Part) -> tuple[Finding, ...]:
    """Compare what all members say they evaluated with what the log holds; the findings are on disk afterwards."""
    file = part.folders.path / f"findings-{part.record.counter:06d}.json"
    if file.exists():  # a process that was killed after this had done it
        return ()
    until = time.monotonic() + LONGEST_S
    before = last_checkpoint(part)
    guard = GuardStore(open_engine(lookup_database(part.home)), part.context.epoch_id)
    evaluated = {name: found for name in part.context.institutions if (found := _said(part, name)) is not None}
    with LogClient(part.home, patience=PATIENCE_S) as log:
        checked = check_log(part, log, guard.promises(), until)
        findings = checked.findings
        if checked.checkpoint is not None:
            start = 0 if before is None else before.size  # leaves of this epoch are later than the last one's end
            try:
                logged = list(_leaves(part, log, start, checked.checkpoint.size, until))
                findings += reconcile(part.context, evaluated, logged)
            except (Refused, Unreachable, ProtocolError) as error:
                findings += (Finding(Kind.NOT_CHECKED, "log", b"", f"no entries: {error}"),)
    told = [
        {"kind": str(one.kind), "party": one.party, "leaf": one.leaf_hash.hex(), "detail": one.detail}
        for one in findings
    ]
    write_public(file, json.dumps(told, indent=2).encode(), mode=0o600)
    checked.remember(part)
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
        name = from_hex(body.get("leaves"), f"leaves of {member}", 32)
        most = min(most_leaves(part.context), MOST_LEAVES)
        return unpack_leaves(part.relay.fetch(name, most=most * 32))
    except (Refused, Unreachable, ProtocolError):
        return None


def _leaves(part: Part, log: LogClient, start: int, size: int, until: float) -> Iterator[bytes]:
    """The logged leaves of this epoch. What cannot be read is of no epoch: it is found all the same."""
    for index, data in log.entries(KIND, start):
        if index >= size:
            return
        if time.monotonic() > until:
            raise Unreachable("Log.Entries", got="no end", expected=f"{size} entries in time")
        body = read_entry(data).body
        try:
            if SignedLeaf.decode(body).leaf.epoch_id == part.context.epoch_id:
                yield body
        except ProtocolError:
            yield body
