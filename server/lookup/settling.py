"""What the relay finds when an epoch is over: evaluations that are not in the log, and the other way round.

Every member does the same for itself; the relay's findings are for its operator, in HOME/lookup/epochs/N/findings.json
and in `fedscore coordinator epoch status`. They name kinds and institutions, no leaf.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from federation.errors import Refused
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.lookup.leaf import KIND, SignedLeaf
from protocols.lookup.reconcile import reconcile, unpack_leaves
from protocols.transparency import read_entry
from server.log import LogStore
from server.lookup.folders import LookupFolders
from server.lookup.record_store import EpochRecord
from server.lookup.relay import Relay, context_of

_log = get_logger("relay")


def settle(relay: Relay, record: EpochRecord) -> None:
    """Compare and keep what was found, before the epoch's blobs are erased; safe to repeat until then."""
    if not record.state.opened:
        return
    context = context_of(record)
    evaluated: dict[str, frozenset[bytes]] = {}
    for name, said in record.bodies("evaluated").items():
        with suppress(Refused):  # erased already: this was done before
            data = relay.blobs.read(record.counter, name, bytes.fromhex(said["leaves"])) if said["leaves"] else b""
            evaluated[name] = frozenset(unpack_leaves(data))
    if len(evaluated) < len(record.bodies("evaluated")):
        return
    findings = reconcile(context, evaluated, leaves_of(relay.log, context.epoch_id))
    counted = Counter((str(finding.kind), finding.party) for finding in findings)
    told = [{"kind": kind, "party": party, "count": count} for (kind, party), count in sorted(counted.items())]
    accused = sum(
        verdict["outcome"] == "different" for said in record.bodies("verdicts").values() for verdict in said["verdicts"]
    )
    write_public(
        relay.folders.findings(record.counter),
        json.dumps({"findings": told, "verdicts_against_the_pool": accused}).encode(),
        mode=0o600,
    )
    _log.info("epoch settled", round=record.counter, count=len(findings))
    for (kind, party), count in sorted(counted.items()):
        _log.warning("evaluations and log differ", kind=kind.replace("-", "_"), institution=party, count=count)


def read_findings(folders: LookupFolders, counter: int) -> dict[str, Any]:
    """What was found of a settled epoch; empty before."""
    file = folders.findings(counter)
    return dict(json.loads(file.read_text())) if file.exists() else {}


def leaves_of(log: LogStore, epoch_id: bytes) -> Iterator[bytes]:
    """The bodies of all logged leaves of one epoch."""
    start, size = 0, log.size()
    while start < size:
        page = log.entries(start, 1000, KIND)
        for _, data in page.entries:
            body = read_entry(data).body
            with suppress(ProtocolError):
                if SignedLeaf.decode(body).leaf.epoch_id == epoch_id:
                    yield body
        start = page.next
