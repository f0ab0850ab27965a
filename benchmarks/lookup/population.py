"""Synthetic subjects, who holds a record of whom, and the sums that a private query must give: the plaintext oracle.

    population = Population(subjects=5_000, members=3, seed=1)
    population.held_by(0)                       # indices of the subjects that member 0 knows
    population.snapshot(0)                      # its records, as `publish` takes them
    population.expected(index)                  # int [7]: count, evidence and parts, summed over members, in eighths

Everything follows from the seed, so every process makes its own part; nothing is handed from one to another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from clients.institution.lookup.snapshot import Snapshot

HOLDS = 1 / 3
"""The chance that a member knows a subject; whoever nobody would know is given to one at random."""
ABSENT = 0.3
_STEPS, _LARGEST = 8, 40  # records are drawn in eighths of log-odds, up to five
_VALUES = 6  # evidence and five parts


@dataclass(frozen=True)
class Population:
    """`subjects` people, known to one or more of `members` institutions."""

    subjects: int
    members: int
    seed: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"bank-{member}" for member in range(self.members))

    def held_by(self, member: int) -> NDArray[np.int64]:
        """Indices in increasing order."""
        return np.flatnonzero(self._holdings[member])

    def steps(self, member: int) -> NDArray[np.int64]:
        """int64 [customers, 6]: evidence and parts in eighths of log-odds, which is what the oracle adds up."""
        rng = np.random.default_rng((self.seed, 2, member))
        return rng.integers(-_LARGEST, _LARGEST + 1, (len(self.held_by(member)), _VALUES))

    def snapshot(self, member: int) -> Snapshot:
        """The same records off the steps by up to .4 of one: it is the institution that rounds them."""
        from clients.institution.lookup.snapshot import Snapshot
        from federation.lookup.identifiers import scheme

        how = scheme("opaque")
        identifiers = tuple(how.normalise(identifier(index)) for index in self.held_by(member).tolist())
        steps = self.steps(member)
        off = np.random.default_rng((self.seed, 3, member)).uniform(-0.4, 0.4, steps.shape)
        values = (steps + off) / _STEPS
        return Snapshot(identifiers, np.ascontiguousarray(values[:, 0]), np.ascontiguousarray(values[:, 1:]))

    def expected(self, index: int) -> tuple[int, ...]:
        """Count, evidence and five parts; zeros for whom nobody knows."""
        return tuple(self._sums[index].tolist()) if index < self.subjects else (0,) * (_VALUES + 1)

    def asked(self, count: int) -> list[int]:
        """`count` random indices, every one once while there are enough; 30 % of them of nobody's customers."""
        rng = np.random.default_rng((self.seed, 4))
        absent = round(ABSENT * count)
        known = rng.choice(self.subjects, count - absent, replace=count - absent > self.subjects)
        unknown = self.subjects + rng.choice(max(self.subjects, absent), absent, replace=False)
        return [int(index) for index in rng.permutation(np.concatenate([known, unknown]))]

    @cached_property
    def _holdings(self) -> NDArray[np.bool_]:
        rng = np.random.default_rng((self.seed, 1))
        holdings = rng.random((self.members, self.subjects)) < HOLDS
        orphans = np.flatnonzero(~holdings.any(axis=0))
        holdings[rng.integers(self.members, size=len(orphans)), orphans] = True
        return holdings

    @cached_property
    def _sums(self) -> NDArray[np.int64]:
        sums = np.zeros((self.subjects, _VALUES + 1), dtype=np.int64)
        for member in range(self.members):
            held = self.held_by(member)
            sums[held, 0] += 1
            sums[held, 1:] += self.steps(member)
        return sums


def identifier(index: int) -> str:
    """What the subject of this index is called."""
    return f"S-{index:010d}"
