"""The end of an epoch: what was evaluated, what failed, what an auditor makes of it; then everything secret is gone.

Hand-overs go out now and never before: a visible reaction to a failed answer would tell whoever caused it which row was
asked for. Every member sends every auditor one batch of one size, whether there is anything in it or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients.institution.lookup.epoch_record import RELAY
from clients.institution.lookup.erasing import erase_epoch
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.judging import REPLY_FILE, own_batch, reply_key, told
from clients.institution.lookup.part import Part
from clients.institution.lookup.reconciling import reconciled
from clients.institution.lookup.serving_database import lookup_database
from federation.runtime.database import open_engine
from federation.runtime.logging import get_logger
from protocols.lookup.bound import BATCH_BYTES
from protocols.lookup.hand_over import seal_batch
from protocols.lookup.reconcile import pack_leaves

_log = get_logger("lookup")


def evaluated(part: Part) -> dict[str, Any]:
    """The leaves this member evaluated, for every other member to hold against the log; from now on none is added."""
    guard = _guard(part)
    guard.close()
    leaves = guard.leaves()
    name = part.relay.upload(part.record.counter, pack_leaves(set(leaves))).hex() if leaves else ""
    return {"leaves": name, "count": len(leaves)}


def handovers(part: Part) -> dict[str, Any]:
    """One sealed batch for every other auditor; the same bytes if this process is killed and comes again."""
    size = BATCH_BYTES[part.roster.parameters.engine]
    names = {}
    for auditor in part.context.signed.epoch.auditors:
        if auditor == part.institution:
            continue
        file = f"batch-{auditor}.bin"
        sealed = part.folder.read(file)
        if sealed is None:
            sealed = seal_batch(
                own_batch(part), size, part.header.masks[auditor], part.context.epoch_id, part.institution
            )
            part.folder.keep(file, sealed)
        names[auditor] = part.relay.upload(part.record.counter, sealed, reader=auditor).hex()
    return {"batches": names}


def erased(part: Part) -> dict[str, Any]:
    """Everything secret of this epoch is overwritten and removed; only then is anybody asked for anything.

    What the relay is asked for afterwards, evaluations and the log, it may refuse, delay or garble: what comes of it is
    a finding, and never a reason to keep a secret.
    """
    epoch_id = part.context.epoch_id if part.record.has("epoch", RELAY) else b""
    reply = reply_key(part) if part.folder.secret_if_there(REPLY_FILE) is not None else None
    tickets = erase_epoch(part.home, part.record.counter)
    if tickets or part.record.has("evaluated", part.institution):  # the relay may never have asked for it
        _at_best("read the auditors' verdicts", lambda: reply is not None and told(part, reply))
        _at_best("hold evaluations against the log", lambda: reconciled(part))
    return {"epoch": epoch_id.hex()}


def _at_best(what: str, work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        _log.error("could not settle an epoch", code=what.replace(" ", "_"), kind=type(error).__name__)


def forget(part: Part) -> None:
    """Remove what a step after `erased` may have made anew of the folder."""
    part.folders.epoch_if_there(part.record.counter).erase()


def _guard(part: Part) -> GuardStore:
    return GuardStore(open_engine(lookup_database(part.home)), part.context.epoch_id)
