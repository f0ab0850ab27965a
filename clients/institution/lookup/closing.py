"""The end of an epoch: what was evaluated, what failed, what an auditor makes of it; then everything secret is gone.

Hand-overs go out now and never before: a visible reaction to a failed answer would tell whoever caused it which row was
asked for. Every member sends every auditor one batch of one size, whether there is anything in it or not.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from clients.institution.lookup.auditing import audited_rows
from clients.institution.lookup.epoch_record import RELAY
from clients.institution.lookup.erasing import erase_epoch
from clients.institution.lookup.guard_store import GuardStore
from clients.institution.lookup.kept_answers import KeptAnswers
from clients.institution.lookup.part import Part
from clients.institution.lookup.reconciling import reconciled
from clients.institution.lookup.serving_database import lookup_database
from federation.lookup.engines import load
from federation.runtime.database import open_engine
from federation.runtime.logging import get_logger
from protocols.canonical import parse_canonical
from protocols.errors import MessageError
from protocols.lookup.evidence import MAX_VERDICTS, Verdict, judge
from protocols.lookup.fields import from_hex
from protocols.lookup.hand_over import Batch, open_batch, seal_batch
from protocols.lookup.reconcile import pack_leaves

BATCH_BYTES = {"bfv": 8 * 2**20, "lwe": 2**20, "mirror": 4 * 2**10}
"""One size for every member: room for the evaluation keys and some ten hand-overs of the engine."""
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
    kept = KeptAnswers(part.folder)
    names = {}
    for auditor in part.context.signed.epoch.auditors:
        if auditor == part.institution:
            continue
        file = f"batch-{auditor}.bin"
        sealed = part.folder.read(file)
        if sealed is None:
            batch = kept.batch(size, part.random)
            sealed = seal_batch(batch, size, part.header.masks[auditor], part.context.epoch_id, part.institution)
            part.folder.keep(file, sealed)
        names[auditor] = part.relay.upload(part.record.counter, sealed, reader=auditor).hex()
    return {"batches": names}


def verdicts(part: Part) -> dict[str, Any]:
    """What this auditor finds in the hand-overs of all others, and in its own: signed, naming hashes only."""
    batches = [KeptAnswers(part.folder).batch(BATCH_BYTES[part.roster.parameters.engine], part.random)]
    batches += [_opened(part, member) for member in part.context.institutions if member != part.institution]
    found: list[Verdict] = []
    if any(batch.items for batch in batches):
        prepared = load(part.roster.parameters.engine).prepare(audited_rows(part), part.context.epoch_id)
        for batch in batches:
            found += [
                judge(
                    prepared,
                    item,
                    batch.keys,
                    epoch_id=part.context.epoch_id,
                    pool=part.context.pool_key,
                    auditor=part.institution,
                    key=part.home.signing_key,
                )
                for item in batch.items
            ]
    accusing = [verdict for verdict in found if verdict.accuses]
    _log.info("hand-overs judged", count=len(found), code="pool_differs" if accusing else "same")
    told = (accusing + [verdict for verdict in found if not verdict.accuses])[:MAX_VERDICTS]
    return {"verdicts": [parse_canonical(verdict.encode()) for verdict in told]}


def erased(part: Part) -> dict[str, Any]:
    """Everything secret of this epoch is overwritten and removed; only then is anybody asked for anything.

    What the relay is asked for afterwards, evaluations and the log, it may refuse, delay or garble: what comes of it is
    a finding, and never a reason to keep a secret.
    """
    epoch_id = part.context.epoch_id if part.record.has("epoch", RELAY) else b""
    erase_epoch(part.home, part.record.counter, epoch_id)
    if part.record.has("evaluated", part.institution):
        try:
            reconciled(part)
        except Exception as error:
            _log.error("evaluations were not held against the log", kind=type(error).__name__)
    return {"epoch": epoch_id.hex()}


def forget(part: Part) -> None:
    """Remove what a step after `erased` may have made anew of the folder."""
    part.folders.epoch_if_there(part.record.counter).erase()


def _guard(part: Part) -> GuardStore:
    return GuardStore(open_engine(lookup_database(part.home)), part.context.epoch_id)


def _opened(part: Part, member: str) -> Batch:
    """What a member handed over; a batch that does not open has nothing in it."""
    batches = part.record.body("handovers", member).get("batches", {})
    key = X25519PrivateKey.from_private_bytes(part.secrets.mask)
    try:
        data = part.relay.fetch(from_hex(batches.get(part.institution), f"hand-overs of {member}", 32))
        return open_batch(data, key, part.context.epoch_id, member)
    except MessageError:
        _log.warning("hand-overs that do not open", institution=member)
        return Batch(b"", ())
