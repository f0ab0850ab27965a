"""What an auditor makes of the others' answers, and what it tells whom.

Of a query that a coin drew everybody is told, in the record. Of every other one the auditor tells its querier alone, in
a blob of one size for every member, sealed to a key of that member's batch: a verdict that everybody sees names the
query that failed, and with it the row that was asked for. The querier keeps it: it convicts the pool before anyone.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from clients.institution.lookup.auditing import audited_rows
from clients.institution.lookup.kept_answers import KeptAnswers
from clients.institution.lookup.part import SECRETS_FILE, Part
from federation.errors import Refused
from federation.lookup.engines import load
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from federation.runtime.rpc import Unreachable
from protocols.canonical import canonical, parse_canonical
from protocols.errors import ProtocolError
from protocols.lookup.bound import BATCH_BYTES, MAX_STEP_BYTES
from protocols.lookup.evidence import MAX_VERDICTS, HandOver, Verdict, judge
from protocols.lookup.fields import from_hex
from protocols.lookup.hand_over import Batch, open_batch, open_verdicts, seal_verdicts
from protocols.lookup.seal import OVERHEAD

TOLD_BYTES = 64 * 2**10
"""One size for every member: room for the verdicts on a whole batch."""
REPLY_FILE = "reply.key"
_MOST_JUDGED = 64  # of one batch: each costs an answer of the engine
_NOTHING = Batch(b"", b"", (), ())
_log = get_logger("lookup")


def reply_key(part: Part) -> X25519PrivateKey:
    """To which auditors seal what they tell this institution alone; drawn once in an epoch."""
    return X25519PrivateKey.from_private_bytes(part.folder.secret(REPLY_FILE, lambda: part.random(32)))


def own_batch(part: Part) -> Batch:
    """What this institution hands over."""
    reply = reply_key(part).public_key().public_bytes_raw()
    return KeptAnswers(part.folder).batch(BATCH_BYTES[part.roster.parameters.engine], reply, part.random)


def verdicts(part: Part) -> dict[str, Any]:
    """The verdicts on what was drawn, signed, naming hashes only; and a sealed blob for every other member."""
    batches = {name: _batch(part, name) for name in part.context.institutions}
    judge_all = _judge(part, any(batch.items for batch in batches.values()))
    public: list[Verdict] = []
    sealed: dict[str, str] = {}
    for member, batch in batches.items():
        public += judge_all(batch, batch.drawn[:_MOST_JUDGED])
        private = judge_all(batch, batch.private[:_MOST_JUDGED])
        if member != part.institution:
            reply = batch.reply or part.header.masks[member]
            blob = seal_verdicts(private, TOLD_BYTES, reply, part.context.epoch_id, part.institution)
            sealed[member] = part.relay.upload(part.record.counter, blob, reader=member).hex()
        else:
            _keep(part, private)
    public.sort(key=lambda verdict: not verdict.accuses)
    _log.info("drawn hand-overs judged", count=len(public), code="differs" if _accused(public) else "same")
    return _fitting([parse_canonical(verdict.encode()) for verdict in public[:MAX_VERDICTS]], sealed)


def told(part: Part, key: X25519PrivateKey) -> tuple[Verdict, ...]:
    """What the auditors told this institution alone, each verified, kept as HOME/lookup/verdicts-COUNTER.json.

    What does not open or does not hold is left out; so is whatever the relay does not hand out.
    """
    found: list[Verdict] = []
    for auditor, body in part.record.bodies("verdicts").items():
        if auditor != part.institution:
            found += _told(part, key, auditor, body)
    return _keep(part, found)


def _told(part: Part, key: X25519PrivateKey, auditor: str, body: Any) -> list[Verdict]:
    signer = part.context.roster.member(auditor).key
    try:
        name = from_hex(body["sealed"][part.institution], f"verdicts of {auditor}", 32)
        data = part.relay.fetch(name, most=TOLD_BYTES + OVERHEAD)
        opened = open_verdicts(data, key, part.context.epoch_id, auditor)
        for verdict in opened:
            verdict.verify(signer, part.context.pool_key)
        return [verdict for verdict in opened if verdict.auditor == auditor]
    except (Refused, Unreachable, ProtocolError, KeyError, TypeError):
        _log.warning("verdicts that do not open", institution=auditor)
        return []


def _keep(part: Part, found: list[Verdict]) -> tuple[Verdict, ...]:
    """Add to what is kept of this epoch; the same verdict once."""
    file = part.folders.path / f"verdicts-{part.record.counter:06d}.json"
    before = json.loads(file.read_bytes()) if file.exists() else []
    new = [parse_canonical(verdict.encode()) for verdict in found]
    if new:
        told = before + [verdict for verdict in new if verdict not in before]
        write_public(file, json.dumps(told, indent=2).encode(), mode=0o600)
        _log.info("own hand-overs judged", count=len(new), code="differs" if _accused(found) else "same")
    return tuple(found)


def _judge(part: Part, needed: bool) -> Any:
    """Judges hand-overs of one batch; the table is prepared only where there is something to judge."""
    prepared = (
        load(part.roster.parameters.engine).prepare(audited_rows(part), part.context.epoch_id) if needed else None
    )

    def judged(batch: Batch, items: tuple[HandOver, ...]) -> list[Verdict]:
        return [
            judge(
                prepared,
                item,
                batch.keys,
                epoch_id=part.context.epoch_id,
                pool=part.context.pool_key,
                auditor=part.institution,
                key=part.home.signing_key,
            )
            for item in items
            if prepared is not None
        ]

    return judged


def _batch(part: Part, member: str) -> Batch:
    """What a member handed over; nothing where it does not open, is refused, or this institution has erased already."""
    secrets = part.folder.secret_if_there(SECRETS_FILE)
    if secrets is None:
        return _NOTHING
    if member == part.institution:
        return own_batch(part)
    key = X25519PrivateKey.from_private_bytes(part.secrets.mask)
    try:
        batches = part.record.body("handovers", member)["batches"]
        name = from_hex(batches[part.institution], f"hand-overs of {member}", 32)
        data = part.relay.fetch(name, most=BATCH_BYTES[part.roster.parameters.engine] + OVERHEAD)
        return open_batch(data, key, part.context.epoch_id, member)
    except (Refused, ProtocolError, KeyError, TypeError):
        _log.warning("hand-overs that do not open", institution=member)
        return _NOTHING


def _fitting(public: list[Any], sealed: dict[str, str]) -> dict[str, Any]:
    """A body of a step: accusations come first, and what does not fit is left out rather than the epoch left open."""
    while len(canonical({"verdicts": public, "sealed": sealed})) > MAX_STEP_BYTES:
        public = public[:-1]
    return {"verdicts": public, "sealed": sealed}


def _accused(found: list[Verdict]) -> bool:
    return any(verdict.accuses for verdict in found)
