"""A model trained by rounds of one integer sum each: what a member adds, and what everybody makes of the sum.

    model = sum_model(catalogue, recipe, plan.privacy, nominal)
    state = model.initial()
    for r in range(1, len(model.rounds) + 1):
        total = sum(model.contribution(r, state, own) for own in members) + noise      # int64 [model.width(r)]
        state = model.advance(r, state, total)
    model.logits(state, records)

Nothing here knows whether noise was added by each member in full or in shares under masks, but through `noise_sd`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError, RecordsError
from federation.privacy.lattice import MOST
from federation.training.fixed_point import LOGIT, fixed_weights
from federation.training.sums import calibration
from federation.training.sums.arithmetic import F64, I64
from federation.training.sums.calibration import Calibration
from federation.training.sums.histogram import Histogram
from federation.training.sums.mains import Mains
from federation.training.sums.pairs import Pairs
from federation.training.sums.part import Part, Setting
from federation.training.sums.recipe import Stage, SumRecipe
from federation.training.sums.state import State

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.privacy.plan import PrivacyPlan
    from federation.records.encoded import Encoded

MAX_RECORDS = 2**28  # of one member: a sum is at most records x sensitivity, below 2^61
_SLACK = 4.0  # a member may hold this many times its nominal records
_CHUNK = 2**15  # records whose places are held at once


@dataclass(frozen=True)
class SumModel:
    """One recipe on one catalogue.

    rounds         the stage of each round; round r (from 1) is rounds[r - 1]
    nominal_total  N, the public number of records of all members
    noise_sd       standard deviation of the noise of each round's SUM, over the round's sensitivity

    Raises ConfigurationError for a recipe with pairs on a catalogue without, or lengths that differ.
    """

    catalogue: Catalogue
    recipe: SumRecipe
    rounds: tuple[Stage, ...]
    nominal_total: int
    noise_sd: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.noise_sd) != len(self.rounds):
            raise ConfigurationError("noise_sd", got=len(self.noise_sd), expected=f"{len(self.rounds)} rounds")
        if self.nominal_total < 1:
            raise ConfigurationError("nominal_total", got=self.nominal_total, expected="at least 1")
        _ = self.setting.layout

    @cached_property
    def setting(self) -> Setting:
        """What is public of the run."""
        return Setting(self.catalogue, self.recipe, self.nominal_total)

    @cached_property
    def parts(self) -> Mapping[Stage, Part]:
        """The stages that the recipe has."""
        made: dict[Stage, Part] = {
            Stage.HISTOGRAM: Histogram(self.setting),
            Stage.MAINS: Mains(self.setting),
            Stage.PAIRS: Pairs(self.setting),
            Stage.CALIBRATION: Calibration(self.setting),
        }
        return {stage: made[stage] for stage in self.recipe.stages}

    @property
    def size(self) -> int:
        """Length of the state."""
        return self.setting.layout.size

    def initial(self) -> NDArray[np.float32]:
        """The public base rate for everybody, float32 [size]."""
        layout, zeros = self.setting.layout, np.zeros
        knots = calibration.identity(self.setting) if layout.knots else zeros(0)
        cells, weights = layout.cells, layout.weights
        return State(zeros(cells), zeros(cells), zeros(cells), zeros(weights), zeros(weights), knots).flat()

    def width(self, round_number: int) -> int:
        """Length of the vector that round releases."""
        return self._part(round_number).width

    def sensitivity(self, round_number: int) -> int:
        """The largest L2 norm of what one record adds, in lattice points; rounded up to the next integer."""
        return self._part(round_number).sensitivity

    def bound(self, round_number: int, nominal: int | None = None) -> float:
        """L2 norm, in lattice points, that no honest noisy sum over `nominal` records (N where None) exceeds.

        Members may hold four times their nominal records; noise exceeds its part with a chance below e^-50.
        """
        records = self.nominal_total if nominal is None else nominal
        noise = self.noise_sd[round_number - 1] * (math.sqrt(self.width(round_number)) + 10)
        return self.sensitivity(round_number) * (_SLACK * records + noise)

    def contribution(self, round_number: int, state: NDArray[np.float32], records: Encoded) -> I64:
        """The exact sum over `records`, int64 [width]: each of them moves it by at most the sensitivity.

        Raises ConfigurationError for a state of another shape or out of bounds, RecordsError for records that are not
        the catalogue's or have no outcome.
        """
        part, parts = self._part(round_number), self.setting.layout.read(state)
        if len(records) > MAX_RECORDS:
            raise RecordsError("records", got=len(records), expected=f"at most {MAX_RECORDS}")
        summed = np.zeros(part.width, dtype=np.int64)
        for start in range(0, max(len(records), 1), _CHUNK):
            summed += part.contribution(parts, records.take(np.arange(start, min(start + _CHUNK, len(records)))))
        return summed

    def advance(self, round_number: int, state: NDArray[np.float32], total: I64) -> NDArray[np.float32]:
        """The next state, float32 [size], from the noisy sum of all members: a public function of what is released.

        Raises ConfigurationError for a state or a sum of another shape.
        """
        part, before = self._part(round_number), self.setting.layout.read(state)
        if total.shape != (part.width,) or total.dtype != np.int64 or not _within(total):
            raise ConfigurationError(
                "total", got=f"{total.dtype} {total.shape}", expected=f"int64 ({part.width},) within 2^61"
            )
        return part.advance(before, total).flat()

    def logits(self, state: NDArray[np.float32], records: Encoded) -> F64:
        """Calibrated log-odds of bad, float64 [n]."""
        parts = self.setting.layout.read(state)
        raw = self.setting.log_odds(parts, records) / LOGIT
        return calibration.apply(parts.knots, raw, self.catalogue.base_rate) if len(parts.knots) else raw

    def effects(self, state: NDArray[np.float32]) -> tuple[F64, ...]:
        """Raw log-odds of bad that each cell adds, float64 [n_cells] per feature."""
        return tuple(self.setting.mains.split(self.setting.layout.read(state).effects))

    def pair_effects(self, state: NDArray[np.float32]) -> tuple[F64, ...]:
        """The same of each pair, float64 [cells of the first, cells of the second]; empty for a recipe without."""
        if not self.setting.has_pairs:
            return ()
        pairs, weights = self.setting.pairs, self.setting.layout.read(state).weights
        flat = pairs.embedding.effects_in_steps(fixed_weights(weights))
        shapes = [(first[1], second[1]) for first, second in pairs.shapes]
        return tuple((effect / LOGIT).reshape(shape) for effect, shape in zip(flat, shapes, strict=True))

    def calibration(self, state: NDArray[np.float32]) -> tuple[tuple[float, float], ...]:
        """(raw, calibrated) log-odds at the knots, both rising; beyond them the outer slopes go on. Empty without."""
        knots = self.setting.layout.read(state).knots
        raw = calibration.identity(self.setting) if len(knots) else knots
        return tuple((float(x), float(y)) for x, y in zip(raw, knots, strict=True))

    def shares(self, state: NDArray[np.float32]) -> tuple[F64, ...]:
        """Part of each feature's records in each of its cells, float64 [n_cells] per feature; empty without histogram.

        Zeros where the histogram shows nobody.
        """
        if Stage.HISTOGRAM not in self.recipe.stages:
            return ()
        found = self.setting.mains.split(self.setting.layout.read(state).shares)
        return tuple(part / max(part.sum(), 2.0**-40) for part in found)

    def _part(self, round_number: int) -> Part:
        if not 1 <= round_number <= len(self.rounds):
            raise ConfigurationError("round", got=round_number, expected=f"1 to {len(self.rounds)}")
        return self.parts[self.rounds[round_number - 1]]


def _within(total: I64) -> bool:
    return bool((total <= MOST).all() and (total >= -MOST).all())  # the absolute value of -2^63 would be negative


def sum_model(catalogue: Catalogue, recipe: SumRecipe, privacy: PrivacyPlan, nominal: Sequence[int]) -> SumModel:
    """The model of a plan whose members have these public sizes. Raises ConfigurationError as its parts do."""
    rounds = recipe.rounds(privacy)
    if privacy.sharing is not None and privacy.sharing.members != len(nominal):
        raise ConfigurationError("privacy.sharing", got=privacy.sharing.members, expected=f"{len(nominal)} members")
    noise = tuple(math.sqrt(Fraction(privacy.noise_share(r)) ** 2 * len(nominal)) for r in range(1, len(rounds) + 1))
    return SumModel(catalogue, recipe, rounds, sum(nominal), noise)
