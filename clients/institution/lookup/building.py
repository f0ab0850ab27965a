"""The table: built from the snapshot and the secrets, logged by its digest, handed to the pool; then the dummies."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from clients.institution.lookup.joining import own_points
from clients.institution.lookup.part import Part
from clients.institution.lookup.signing import LIFTED_FILE, fetch_layout, in_processes
from federation.errors import ConfigurationError
from protocols.lookup import table as tables
from protocols.lookup.dummies import open_dummies
from protocols.lookup.placement import own_places

TABLE_FILE = "table.bin"


def table(part: Part) -> dict[str, Any]:
    """The digest of this institution's table, which is complete on disk when this returns.

    1. The snapshot's records at the proved places. 2. The secrets are bound to this epoch and these records, on disk.
    3. Only then is a table built. Built again after a crash it has the same bytes.
    """
    layout = fetch_layout(part, part.context.signed.epoch)
    lifted = part.folder.read(LIFTED_FILE)
    if lifted is None:
        raise ConfigurationError("places", got="none", expected="those this institution checked before it signed")
    values = part.snapshot.records[_order(part)]
    snapshot = tables.Snapshot.of(own_places(layout, lifted), values, len(part.roster.members))
    secrets = part.secrets.bind(part.context.signed.epoch, snapshot.digest)
    part.keep_secrets(secrets)
    plan = tables.MemberTable.plan(secrets, part.context, layout, snapshot)
    packed = b"".join(
        in_processes(part, "building the table", partial(tables.build_rows, plan.key), list(plan.chunks()))
    )
    part.folder.keep(TABLE_FILE, packed)
    return {"digest": tables.table_digest(part.context.epoch_id, part.institution, packed).hex()}


def _order(part: Part) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Which customer of the snapshot stands behind each of the sorted pseudonyms."""
    found = part.folders.roster(part.roster.id).pseudonyms.load().of(part.snapshot.identifiers)
    rows = {bytes(point): row for row, point in enumerate(found)}
    return np.array([rows[point] for point in own_points(part)], dtype=np.int64)


def hand_over_table(part: Part) -> None:
    """Bring the table to the pool, going on where an earlier process stopped."""
    packed = part.folder.read(TABLE_FILE)
    if packed is None:  # this machine lost it: the same inputs give the same bytes
        table(part)
        packed = part.folder.read(TABLE_FILE) or b""
    with part.pool() as pool:
        pool.put(packed, progress=partial(part.report, "handing over the table"))


def dummies(part: Part) -> dict[str, Any]:
    """This institution's pads at the public places, and the proof."""
    opened = open_dummies(part.secrets, part.context.signed, part.roster.parameters.dummies, part.random)
    return {"openings": opened.shared.hex(), "proof": opened.proof.hex()}
