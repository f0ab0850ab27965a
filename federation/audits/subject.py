"""What is audited: the trainer an institution would serve its next round with, and what the signed plan says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from federation.audits.instrument import F32, Build, Claim
from federation.errors import PrivacyError
from federation.privacy.noise import NoiseSource
from federation.records.encoded import Encoded


@dataclass(frozen=True)
class Subject:
    """`build` makes the trainer from a noise source, in the very way the institution does for a round.

    claim    of the plan, never asked of the trainer
    initial  the model before any record, float32 [d]
    cells    number of cells of each feature
    noise    production's own source
    stated   cumulative epsilon (PLD) after round 1, 2, ..., as the institution's ledger says

    Raises PrivacyError without stated epsilons.
    """

    build: Build
    claim: Claim
    initial: F32
    cells: Sequence[int]
    noise: NoiseSource
    stated: Sequence[float]

    def __post_init__(self) -> None:
        if not len(self.stated):
            raise PrivacyError("stated", got="no epsilon", expected="one for each round")


def seeded_records(cells: Sequence[int], count: int, generator: np.random.Generator) -> Encoded:
    """`count` records with a cell at random in each feature; outcomes good and bad in turn."""
    codes = np.stack([generator.integers(0, n, count) for n in cells], axis=1).astype(np.uint8)
    return Encoded(codes, (np.arange(count) % 2).astype(np.uint8))
