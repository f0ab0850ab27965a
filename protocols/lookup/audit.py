"""What an auditor recomputes and signs before an epoch opens. Every auditor does all of it, from the tables themselves.

    summed   = sum_tables(context, layout, tables, logged)         steps 1 to 3
    check_public_places(context, summed, layout, openings)         steps 4 and 5
    own      = sign_rows(key, context.epoch_id, summed.values)     step 6; the other auditors' come over the relay
    audited  = complete(context, summed, signatures, engine)       steps 7 and 8
    signature = audited.opening.sign(key)                          step 9

1. The epoch: all members signed it (`EpochContext.of`). The layout is the one it names, in order.     -> relay
2. Every table: its size, the digest its owner logged, its range.                                      -> its owner
3. Their sum, mod t.
4. Every member's pads at the dummies: proof against S_j.                                              -> that member
5. The sum is zero at every dummy, and in the empty slots behind the last subject.       -> NOBODY: masks hide whose
6. Sign every row of the own sum.
7. Every other auditor signed the very same rows.                                                      -> that auditor
8. Prepare the engine on sum and signatures: the hint.
9. Sign the opening: digests of tables, sum, row signatures and hint.

Step 5 is the one failure that names no party. Two members that disagree on a mask, one that pads with another key and
one that shifts its table all look alike; the epoch is given up, its secrets erased and the next one built. A member
that is right at the dummies and wrong elsewhere is not seen here at all; canary subjects that a regulator plants among
the customers of several members show shifts, not single lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from protocols.canonical import digest
from protocols.errors import MessageError
from protocols.lookup.context import EpochContext
from protocols.lookup.dummies import DummyOpening, check_dummies
from protocols.lookup.engines.base import Engine, Prepared
from protocols.lookup.layout import Layout, check_points
from protocols.lookup.manifest import Opening, SignedOpening
from protocols.lookup.rows import Rows, join_signatures, signatures_digest
from protocols.lookup.table import SumTable, sum_digest

HINT_LABEL = "fedscore/v1/lookup/hint"
Tables = Iterable[tuple[str, bytes | memoryview]]
"""Every member's packed table with its name, one at a time: only the sum is kept."""


@dataclass(frozen=True)
class Audited:
    """What an auditor keeps for the life of the epoch: it serves hand-overs from it (`evidence`)."""

    rows: Rows
    prepared: Prepared
    opening: Opening


def sum_tables(context: EpochContext, layout: Layout, tables: Tables, logged: Mapping[str, bytes]) -> SumTable:
    """Steps 1 to 3. `logged`: the digest each member signed and logged. Raises MessageError or ProofError naming the
    party, StageError while a table is missing."""
    check_layout(context, layout, map)
    total = SumTable(context.signed.epoch, context.institutions)
    for institution, packed in tables:
        if institution not in logged:
            raise MessageError(f"table of {institution}", got="no digest in the log", expected="one before the table")
        total.add(institution, packed, logged[institution])
    return total


def check_layout(context: EpochContext, layout: Layout, spread: Callable[..., Iterable[None]]) -> None:
    """The layout is the one the epoch names, in order. `spread(function, chunks)` may be `map` or run in processes."""
    layout.check_named(context.signed.epoch)
    for _ in spread(partial(check_points, layout.layout_id), layout.chunks()):
        pass


def check_public_places(
    context: EpochContext, total: SumTable, layout: Layout, openings: Mapping[str, DummyOpening]
) -> None:
    """Steps 4 and 5. Raises ProofError naming a member whose proof does not hold, or nobody for a sum that is not 0."""
    check_dummies(total.values, layout, context.signed, openings, context.parameters.dummies)


class Summed(Protocol):
    """The sum, uint32[rows, slots, 8], and by institution the digests of its tables: a `SumTable`, or a kept one."""

    @property
    def values(self) -> NDArray[np.uint32]: ...

    @property
    def digests(self) -> Mapping[str, bytes]: ...


def complete(
    context: EpochContext, total: Summed, signatures: Mapping[str, NDArray[np.uint8]], engine: Engine
) -> Audited:
    """Steps 7 and 8, after this auditor's own signatures (step 6) are among `signatures` (uint8[R, 64] each).

    Raises SignatureError naming the auditor and row that do not hold.
    """
    auditors = context.signed.epoch.auditors
    rows = Rows(total.values, join_signatures(signatures, auditors))
    rows.verify(context.epoch_id, {auditor: context.roster.member(auditor).key for auditor in auditors})
    prepared = engine.prepare(rows, context.epoch_id)
    opening = Opening(
        epoch_id=context.epoch_id,
        table_digests={institution: total.digests[institution] for institution in context.institutions},
        sum_digest=sum_digest(context.epoch_id, rows.values),
        signatures_digest=signatures_digest(context.epoch_id, rows.signatures),
        hint_digest=hint_digest(context.epoch_id, prepared.hint),
    )
    return Audited(rows, prepared, opening)


def hint_digest(epoch_id: bytes, hint: bytes) -> bytes:
    """32 bytes over the engine's hint."""
    return digest(HINT_LABEL, epoch_id + hint)


def check_hint(context: EpochContext, opened: SignedOpening, hint: bytes) -> None:
    """A querier's check before its first query. Raises SignatureError or MessageError unless every auditor signed."""
    opened.verify(context.signed.epoch, context.roster)
    if hint_digest(context.epoch_id, hint) != opened.opening.hint_digest:
        raise MessageError("hint", got="another", expected="the one the auditors signed")
