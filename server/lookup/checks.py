"""What a member's step must hold before it is recorded. Numbered as in docs/lookup-wire.md; each names who is at fault.

A step that was recorded is never taken back, so what would only be found out later is refused here: the member corrects
it and submits again, and nobody else is held up by more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from federation.errors import Refused
from protocols.canonical import canonical
from protocols.errors import MessageError
from protocols.lookup.bound import BATCH_BYTES, ceremony_context
from protocols.lookup.dummies import DummyOpening, check_no_dummies, check_opening, dummy_points
from protocols.lookup.evidence import Verdict
from protocols.lookup.fields import from_hex, integer, take
from protocols.lookup.layout import check_contribution, split
from protocols.lookup.manifest import MEMBER_LABEL, OPENING_LABEL, EpochHeader, LayoutHeader, Opening
from protocols.lookup.mask_key import check_mask_key
from protocols.lookup.reconcile import most_leaves, unpack_leaves
from protocols.lookup.seal import OVERHEAD
from protocols.oprf.group import check_element
from protocols.oprf.joint_key import Opening as KeyOpening
from protocols.oprf.joint_key import check_opening as check_key_opening
from server.lookup.charges import charged
from server.lookup.epochs import RELAY, Code
from server.lookup.pool_files import PoolFiles
from server.lookup.record_store import EpochRecord
from server.lookup.relay import Relay, context_of, member_key, roster_of

_One = Callable[[Relay, EpochRecord, str, Any], None]


def check_step(relay: Relay, record: EpochRecord, party: str, kind: str, body: Any) -> None:
    """Raises MessageError, SignatureError, ProofError or Refused for a step that must not be recorded."""
    _CHECKS[kind](relay, record, party, body)


def key_context(record: EpochRecord) -> bytes:
    """What the members' key ceremony is bound to."""
    return ceremony_context(record.bytes_of("propose"))


def read_key_opening(body: Any) -> KeyOpening:
    """K_j, proof of possession, salt."""
    data = from_hex(take(body, "reveal", ("opening",))["opening"], "opening", 128)
    return KeyOpening(data[:32], data[32:96], data[96:])


def _commit(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    from_hex(take(body, "commit", ("commitment",))["commitment"], "commitment", 32)


def _reveal(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    commitment = bytes.fromhex(record.body("commit", party)["commitment"])
    check_key_opening(read_key_opening(body), commitment, party, key_context(record))


def _enrolled(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    count = integer(take(body, "enrolled", ("count",))["count"], "count")
    known = charged(relay.record.engine, roster_of(record).id, party)
    if count > known:
        raise MessageError(f"count of {party}", got=count, expected=f"at most {known}, as logged")


def _secrets(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    fields = take(body, "secrets", ("pad", "mask"))
    check_element(from_hex(fields["pad"], "pad", 32), f"pad key of {party}")
    check_mask_key(from_hex(fields["mask"], "mask", 32), f"mask key of {party}")
    for other, said in record.bodies("secrets").items():
        if said["pad"] == fields["pad"] or said["mask"] == fields["mask"]:
            raise MessageError(f"keys of {party}", got=f"one of {other}", expected="its own, fresh")


def _report(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    count, data = _points(relay, record, party, body, reader=RELAY)
    header, roster = LayoutHeader.from_json(record.body("header")), roster_of(record)
    check_contribution(roster, party, data)
    check_no_dummies(header, roster.parameters.dummies, party, split(data))
    known = charged(relay.record.engine, roster.id, party)
    if count > known:
        raise Refused(Code.QUOTA, f"points of {party}", got=count, expected=f"at most {known}, as enrolled")


def _sign(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    signature = from_hex(take(body, "sign", ("signature",))["signature"], "signature", 64)
    header = EpochHeader.from_json(record.body("layout")["epoch"])
    member_key(record, party).verify(MEMBER_LABEL, header.id, signature)


def _table(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    from_hex(take(body, "table", ("digest",))["digest"], "digest", 32)


def _dummies(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    context = context_of(record)
    points = dummy_points(context.signed.layout, context.parameters.dummies)
    check_opening(read_dummies(party, body), context.signed, points)


def read_dummies(party: str, body: Any) -> DummyOpening:
    """W_jd of one member with its proof."""
    fields = take(body, "dummies", ("openings", "proof"))
    shared = fields["openings"] if isinstance(fields["openings"], str) else ""
    return DummyOpening(party, from_hex(shared, "openings", len(shared) // 2), from_hex(fields["proof"], "proof", 64))


def _rows(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    """Every signature, against the sum the pool made: an auditor that signed another sum is seen here."""
    context = context_of(record)
    name = from_hex(take(body, "rows", ("signatures",))["signatures"], "signatures", 32)
    relay.blobs.check_reader(record.counter, party, name, "")
    data = relay.blobs.read(record.counter, party, name, size=64 * context.signed.epoch.rows)
    files = PoolFiles(relay.folders.pool(record.counter))
    files.check_signatures(context, party, np.frombuffer(data, dtype=np.uint8).reshape(-1, 64))


def _opening(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    fields = take(body, "opening", ("opening", "signature"))
    context, opening = context_of(record), Opening.decode(canonical(fields["opening"]))
    signature = from_hex(fields["signature"], "signature", 64)
    member_key(record, party).verify(OPENING_LABEL, opening.encode(), signature)
    if opening.epoch_id != context.epoch_id:
        raise MessageError("opening.epoch_id", got=opening.epoch_id.hex()[:16], expected=context.epoch_id.hex()[:16])
    logged = {name: said["digest"] for name, said in record.bodies("table").items()}
    if {name: value.hex() for name, value in opening.table_digests.items()} != logged:
        raise MessageError("opening.table_digests", got="others", expected="those that the members logged")
    for other, said in record.bodies("opening").items():
        if said["opening"] != fields["opening"]:
            raise Refused(Code.CONFLICT, "opening", got=f"another than {other} found", expected="the same of all")


def _evaluated(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    fields = take(body, "evaluated", ("leaves", "count"))
    count = integer(fields["count"], f"leaves of {party}", high=most_leaves(context_of(record)))
    if count or fields["leaves"]:
        name = from_hex(fields["leaves"], "leaves", 32)
        relay.blobs.check_reader(record.counter, party, name, "")
        unpack_leaves(relay.blobs.read(record.counter, party, name, size=32 * count))


def _handovers(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    """Of the size that every member's has: taken from whoever comes first, it would keep all others out."""
    batches = take(body, "handovers", ("batches",))["batches"]
    auditors = [name for name in record.state.parties.auditors if name != party]
    if not isinstance(batches, Mapping) or sorted(batches) != auditors:
        raise MessageError("handovers.batches", got="others", expected=", ".join(auditors))
    size = BATCH_BYTES[context_of(record).parameters.engine] + OVERHEAD
    for auditor in auditors:
        name = from_hex(batches[auditor], "batch", 32)
        relay.blobs.check_reader(record.counter, party, name, auditor)
        relay.blobs.check_size(record.counter, party, name, size)


def _verdicts(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    """Each under the auditor's key, and what it says of an answer under the pool's: a verdict is proof or nothing.

    What is for one querier alone is a blob that no other reads, of one size, so that it shows nothing.
    """
    fields = take(body, "verdicts", ("verdicts", "sealed"))
    verdicts, sealed = fields["verdicts"], fields["sealed"]
    others = [name for name in record.state.parties.members if name != party]
    if not isinstance(sealed, Mapping) or sorted(sealed) != others:
        raise MessageError("verdicts.sealed", got="others", expected="one for every other member")
    sizes = set()
    for member in others:
        name = from_hex(sealed[member], f"verdicts for {member}", 32)
        relay.blobs.check_reader(record.counter, party, name, member)
        sizes.add(len(relay.blobs.read(record.counter, party, name)))
    if len(sizes) > 1:
        raise MessageError("verdicts.sealed", got=f"{len(sizes)} sizes", expected="one size for all")
    if not isinstance(verdicts, list):
        raise MessageError("verdicts", got=type(verdicts).__name__, expected="a list")
    pool = context_of(record).pool_key
    for document in verdicts:
        verdict = Verdict.decode(canonical(document))
        if verdict.auditor != party:
            raise MessageError("verdict.auditor", got=verdict.auditor, expected=party)
        verdict.verify(member_key(record, party), pool)


def _erased(relay: Relay, record: EpochRecord, party: str, body: Any) -> None:
    said = take(body, "erased", ("epoch",))["epoch"]
    expected = context_of(record).epoch_id.hex() if record.state.has("epoch") else ""
    if said != expected:
        raise MessageError("erased.epoch", got=str(said)[:16], expected=expected[:16])


def _points(relay: Relay, record: EpochRecord, party: str, body: Any, *, reader: str) -> tuple[int, bytes]:
    """The points of a member that another body names. Whoever may read them is settled when they are uploaded."""
    fields = take(body, "report", ("points", "count"))
    count = integer(fields["count"], "count", 1)
    name = from_hex(fields["points"], "points", 32)
    relay.blobs.check_reader(record.counter, party, name, reader)
    return count, relay.blobs.read(record.counter, party, name, size=32 * count)


_CHECKS: Mapping[str, _One] = {
    "commit": _commit,
    "reveal": _reveal,
    "enrolled": _enrolled,
    "secrets": _secrets,
    "report": _report,
    "sign": _sign,
    "table": _table,
    "dummies": _dummies,
    "rows": _rows,
    "opening": _opening,
    "evaluated": _evaluated,
    "handovers": _handovers,
    "verdicts": _verdicts,
    "erased": _erased,
}
