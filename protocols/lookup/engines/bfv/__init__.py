"""The default engine: a homomorphic scan of the table with BFV (SEAL through `tenseal.sealapi`).

A query is one seeded ciphertext that selects a column and a block of the folded table. The pool expands it obliviously
(`expansion`), multiplies every row by its column's selection, every block by its block's, and returns one ciphertext
(`server`). Every query touches every row in the same order.

What it hides: which row is read, from everyone without the secret key (ring-LWE, 128 bits). What it does not claim:
circuit privacy. An answer may tell the querier more than one row, but only of the padded sum table, which is safe in
anyone's hands: whatever a query holds (perturbations below the scale, several selections, foreign keys), the answer is
a function of that table alone, and a record in it opens with a ticket only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.errors import MessageError
from protocols.lookup.engines.base import Geometry, Random
from protocols.lookup.engines.bfv.client import BfvClient, BfvPending
from protocols.lookup.engines.bfv.packing import SIGNATURE_SLOTS, SLOTS
from protocols.lookup.engines.bfv.server import BfvPrepared

if TYPE_CHECKING:
    from protocols.lookup.rows import Rows

__all__ = ["BfvClient", "BfvEngine", "BfvPending", "BfvPrepared"]


class BfvEngine:
    """`engine("bfv")`: 1024 slots a row, of which each auditor's signature takes four."""

    name = "bfv"

    def geometry(self, subjects: int, quorum: int) -> Geometry:
        """Rows enough for `subjects`. Raises MessageError unless both are positive and quorum at most 16."""
        if subjects < 1:
            raise MessageError("subjects", got=subjects, expected="at least 1")
        slots = SLOTS - SIGNATURE_SLOTS * quorum
        return Geometry(rows=-(-subjects // max(slots, 1)), slots=slots, quorum=quorum)

    def prepare(self, rows: Rows, epoch_id: bytes) -> BfvPrepared:
        """The table in NTT form. Raises MessageError for rows that are not in order."""
        return BfvPrepared(rows, epoch_id)

    def client(
        self, geometry: Geometry, epoch_id: bytes, hint: bytes, random: Random, saved: bytes | None = None
    ) -> BfvClient:
        """A client with a new secret key, or the one `saved`. Raises MessageError for a hint: this engine has none."""
        if hint:
            raise MessageError("hint", got=f"{len(hint)} bytes", expected="none")
        if geometry.slots != SLOTS - SIGNATURE_SLOTS * geometry.quorum:
            raise MessageError("geometry.slots", got=geometry.slots, expected=SLOTS - SIGNATURE_SLOTS * geometry.quorum)
        return BfvClient(geometry, epoch_id, saved)
