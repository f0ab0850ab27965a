"""An institution's records as they are in one epoch, kept until the epoch is erased.

A change of the data file waits for the next epoch: two tables of one epoch with different records would be a two-time
pad, and their difference would show what changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.errors import ConfigurationError
from federation.lookup.record import DIMENSIONS, Contribution, quantise

_PARTS = tuple(f"part_{dimension}" for dimension in DIMENSIONS)


@dataclass(frozen=True)
class Snapshot:
    """n customers: identifiers as they are hashed, evidence float64 [n], parts float64 [n, 5] in log-odds of BAD."""

    identifiers: tuple[bytes, ...] = field(repr=False)
    evidence: NDArray[np.float64] = field(repr=False)
    parts: NDArray[np.float64] = field(repr=False)

    def __post_init__(self) -> None:
        n = len(self.identifiers)
        if self.evidence.shape != (n,) or self.parts.shape != (n, len(DIMENSIONS)):
            raise ConfigurationError("snapshot", got="another shape", expected=f"{n} customers")
        if len(set(self.identifiers)) != n:
            raise ConfigurationError("snapshot", got="a customer twice", expected="each once")

    def __len__(self) -> int:
        return len(self.identifiers)

    @cached_property
    def records(self) -> NDArray[np.int32]:
        """int32 [n, 8]: what is published, quantised at source."""
        return quantise(self.evidence, self.parts)

    def of(self, identifier: bytes) -> tuple[NDArray[np.int32], Contribution] | None:
        """What was published of one customer, and the same at full precision; None for a stranger."""
        row = self._rows.get(identifier)
        if row is None:
            return None
        return self.records[row], Contribution(float(self.evidence[row]), tuple(map(float, self.parts[row])))

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        return {identifier: row for row, identifier in enumerate(self.identifiers)}

    def encode(self) -> bytes:
        """Parquet, for the epoch's folder."""
        columns: dict[str, pl.Series] = {"identifier": pl.Series(list(self.identifiers), dtype=pl.Binary)}
        columns["evidence"] = pl.Series(self.evidence)
        columns |= {name: pl.Series(self.parts[:, column]) for column, name in enumerate(_PARTS)}
        buffer = BytesIO()
        pl.DataFrame(columns).write_parquet(buffer)
        return buffer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Snapshot:
        """Raises ConfigurationError for anything but what `encode` gives."""
        try:
            frame = pl.read_parquet(BytesIO(data))
            parts = np.stack([frame[name].to_numpy() for name in _PARTS], axis=1)
            return cls(tuple(frame["identifier"].to_list()), frame["evidence"].to_numpy(), parts)
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise ConfigurationError("snapshot", got=type(error).__name__, expected="a snapshot as written") from error
