"""Encoded records: what training and scoring see. No raw value, no column of the source file is left in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoded:
    """n records against the p model features of one catalogue, in the catalogue's order.

    codes      uint8 [n, p]: the cell of each feature. 0..n_ordered-1 ordered bins, then special codes, then missing,
               and `feature.n_cells` for a feature that this institution does not hold (it contributes nothing).
    target     uint8 [n], 1 = bad; None where the file has no outcome.
    protected  group index per protected attribute, uint8 [n]; never a model input.
    subjects   subject identifiers as read, object [n]; None where the catalogue names no identifier.
    pair_codes uint8 [n, q]: the cell of each of the q pair features, as `codes`; None where nobody encoded them.
    """

    codes: NDArray[np.uint8]
    target: NDArray[np.uint8] | None = None
    protected: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    subjects: NDArray[np.object_] | None = None
    pair_codes: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return int(self.codes.shape[0])

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Encoded:
        """The records at `index` (positions or mask)."""
        return replace(
            self,
            codes=self.codes[index],
            target=None if self.target is None else self.target[index],
            protected={name: groups[index] for name, groups in self.protected.items()},
            subjects=None if self.subjects is None else self.subjects[index],
            pair_codes=None if self.pair_codes is None else self.pair_codes[index],
        )
