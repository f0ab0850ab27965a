"""Where the log stands, for whoever watches it: sizes, times, the last word of each witness. Reads few rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from federation.runtime.database import reading
from server.log.tables import checkpoints, cosignatures
from server.log.tree import tree_size


@dataclass(frozen=True)
class Standing:
    """`published_at` and the values of `cosigned_at` (by witness) are Unix times (s); None, 0 before there is one."""

    entries: int
    checkpoint: int
    published_at: int | None
    cosigned_at: Mapping[str, int]


def standing(engine: Engine) -> Standing:
    """As the database of a log says."""
    newest = select(checkpoints.c.size, checkpoints.c.published_at).order_by(checkpoints.c.size.desc()).limit(1)
    spoke = select(cosignatures.c.witness, func.max(cosignatures.c.cosigned_at)).group_by(cosignatures.c.witness)
    with reading(engine) as connection:
        entries = tree_size(connection)
        row = connection.execute(newest).one_or_none()
        said = {str(witness): int(at) for witness, at in connection.execute(spoke).all()}
    return Standing(entries, row.size if row else 0, row.published_at if row else None, said)
