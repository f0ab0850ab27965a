"""The named auditor's part: every table against its logged digest, the sum, the public places, rows and hint signed.

What an auditor needs to go on, and to judge an answer later, is kept in the epoch's folder: the sum, the digests of the
tables in it, and row signatures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clients.institution.lookup.part import Part
from clients.institution.lookup.signing import fetch_layout
from federation.lookup.engines import load
from protocols.canonical import digest, parse_canonical
from protocols.errors import MessageError
from protocols.lookup import audit
from protocols.lookup.dummies import DummyOpening
from protocols.lookup.fields import from_hex
from protocols.lookup.parameters import RECORD_BYTES
from protocols.lookup.rows import SIGNATURE_BYTES, Rows, join_signatures, sign_rows
from protocols.lookup.table import SumTable

ROWS_FILE = "rows.npz"
_KEPT = "fedscore/v1/lookup/kept-sum"


def rows(part: Part) -> dict[str, Any]:
    """Steps 1 to 6 of `protocols.lookup.audit`; the own row signatures, as a blob for every member."""
    total = recomputed(part)
    epoch = part.context.signed.epoch
    audit.check_public_places(part.context, total, fetch_layout(part, epoch), _openings(part))
    signatures = sign_rows(part.home.signing_key, part.context.epoch_id, total.values)
    _keep(part, total, signatures)
    name = part.relay.upload(
        part.record.counter, signatures.tobytes(), progress=partial(part.report, "handing over signatures")
    )
    return {"signatures": name.hex()}


def opening(part: Part) -> dict[str, Any]:
    """Steps 7 to 9: the others' row signatures, the hint, the opening under this auditor's key."""
    total = _kept(part) or recomputed(part)
    signatures = {name: _signatures(part, name) for name in part.context.signed.epoch.auditors}
    audited = audit.complete(part.context, total, signatures, load(part.roster.parameters.engine))
    _keep(part, total, audited.rows.signatures)
    signed = audited.opening.sign(part.home.signing_key)
    return {"opening": parse_canonical(audited.opening.encode()), "signature": signed.hex()}


def recomputed(part: Part) -> SumTable:
    """The sum of the tables, each against the digest its owner logged; steps 1 to 3."""
    layout = fetch_layout(part, part.context.signed.epoch)
    return audit.sum_tables(part.context, layout, _tables(part), _logged(part))


def audited_rows(part: Part) -> Rows:
    """What all auditors signed, as it was kept, or made again where that was lost."""
    if kept := _kept(part):
        return Rows(kept.values, kept.signatures)
    auditors = part.context.signed.epoch.auditors
    signatures = {name: _signatures(part, name) for name in auditors}
    return Rows(recomputed(part).values, join_signatures(signatures, auditors))


def _tables(part: Part) -> Iterator[tuple[str, bytes]]:
    epoch = part.context.signed.epoch
    most = RECORD_BYTES * epoch.rows * epoch.slots
    with part.pool() as pool:
        for institution in part.context.institutions:
            told = partial(part.report, f"fetching the table of {institution}")
            yield institution, pool.table(institution, most, told)


def _openings(part: Part) -> dict[str, DummyOpening]:
    count = part.roster.parameters.dummies
    return {
        name: DummyOpening(
            name,
            from_hex(body.get("openings"), f"dummies of {name}", 32 * count),
            from_hex(body.get("proof"), f"dummies of {name}", 64),
        )
        for name, body in part.record.bodies("dummies").items()
    }


def _signatures(part: Part, auditor: str) -> NDArray[np.uint8]:
    name = from_hex(part.record.body("rows", auditor).get("signatures"), f"rows of {auditor}", 32)
    size = SIGNATURE_BYTES * part.context.signed.epoch.rows
    data = part.relay.fetch(name, most=size, progress=partial(part.report, f"fetching signatures of {auditor}"))
    if len(data) != size:
        raise MessageError(f"rows of {auditor}", got=f"{len(data)} bytes", expected="64 for every row")
    return np.frombuffer(data, np.uint8).reshape(-1, SIGNATURE_BYTES)


def _logged(part: Part) -> dict[str, bytes]:
    return {
        name: from_hex(body.get("digest"), f"table of {name}", 32) for name, body in part.record.bodies("table").items()
    }


@dataclass(frozen=True)
class KeptSum:
    """A sum that this auditor computed, checked and signed before, and the row signatures it has seen so far."""

    values: NDArray[np.uint32]
    digests: dict[str, bytes]
    signatures: NDArray[np.uint8]


def _keep(part: Part, total: audit.Summed, signatures: NDArray[np.uint8]) -> None:
    buffer = BytesIO()
    digests = b"".join(total.digests[name] for name in part.context.institutions)
    np.savez(buffer, values=total.values, signatures=signatures, digests=np.frombuffer(digests, np.uint8))
    data = buffer.getvalue()
    part.folder.keep(ROWS_FILE, digest(_KEPT, data) + data)


def _kept(part: Part) -> KeptSum | None:
    """What was kept last, if it is the sum of the logged tables. None for a file that is damaged: all of it can be made
    again, and what a disk did must not look like what an auditor or the pool did."""
    data, logged = part.folder.read(ROWS_FILE) or b"", _logged(part)
    if data[:32] != digest(_KEPT, data[32:]):
        return None
    with np.load(BytesIO(data[32:])) as arrays:
        same = arrays["digests"].tobytes() == b"".join(logged.get(name, b"") for name in part.context.institutions)
        return KeptSum(arrays["values"], logged, arrays["signatures"]) if same else None
