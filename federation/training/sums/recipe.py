"""Recipes of sums: every round one integer sum over all records, then public arithmetic (docs/recipes.md).

>>> recipe = SumRecipe(method="gp")
>>> SumRecipe.from_json(recipe.to_json()) == recipe, [str(stage) for stage in recipe.stages]
(True, ['histogram', 'mains', 'pairs', 'calibration'])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from federation.errors import ConfigurationError
from federation.privacy.plan import PrivacyPlan
from federation.privacy.records import noise_level
from federation.privacy.stages import SharedNoise
from federation.runtime.wording import read_model

if TYPE_CHECKING:
    from federation.catalogue import Catalogue


class Stage(StrEnum):
    """What a round releases."""

    HISTOGRAM = "histogram"
    MAINS = "mains"
    PAIRS = "pairs"
    CALIBRATION = "calibration"


Method: TypeAlias = Literal["gp", "g", "a"]

# Rounds and share of mu^2 of each stage.
SCHEDULES: Mapping[Method, Mapping[Stage, tuple[int, float]]] = {
    "gp": {
        Stage.HISTOGRAM: (1, 0.05),
        Stage.MAINS: (20, 0.45),
        Stage.PAIRS: (10, 0.45),
        Stage.CALIBRATION: (1, 0.05),
    },
    "g": {Stage.HISTOGRAM: (1, 0.05), Stage.MAINS: (30, 0.90), Stage.CALIBRATION: (1, 0.05)},
    "a": {Stage.MAINS: (30, 1.0)},
}
_QUIET = 2e-3  # noise level up to which pairs are worth their budget (docs/recipes.md)


class SumRecipe(BaseModel):
    """The public constants of a recipe of sums. It is told from `Recipe` by its key `method`.

    method            "gp": histogram, mains, pairs, calibration; "g": without pairs; "a": mains alone
    clip              largest residual: |sigmoid - outcome| is cut off there
    rate, momentum    of the mains' descent, over pi (1 - pi) N, and its Nesterov momentum
    pair_rate, pair_momentum    the same of the pairs
    calibration_ridge towards slope 1
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Literal["additive"] = "additive"
    method: Method
    clip: float = Field(default=0.5, ge=2**-8, le=1)
    rate: float = Field(default=2.0, gt=0, le=100)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    pair_rate: float = Field(default=8.0, gt=0, le=1000)
    pair_momentum: float = Field(default=0.6, ge=0, lt=1)
    calibration_ridge: float = Field(default=5.0, gt=0, le=1e6)

    @classmethod
    def of(cls, method: Method) -> SumRecipe:
        """The method with the constants of docs/recipes.md."""
        return cls(method=method)

    @classmethod
    def default(
        cls, catalogue: Catalogue, epsilon: float, delta: float, nominal: Sequence[int], sharing: SharedNoise | None
    ) -> SumRecipe:
        """The method for a federation, from public figures: pairs where they are declared and the noise is low."""
        quiet = noise_level(epsilon, delta, nominal, sharing) < _QUIET
        return cls.of("gp" if catalogue.pairs and quiet else "g")

    @property
    def average_last(self) -> int:
        """The published model is that of the last round: no noise is left to average out (`Recipe.average_last`)."""
        return 1

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the order of their rounds."""
        return tuple(SCHEDULES[self.method])

    def calibrate(
        self,
        *,
        epsilon: float,
        delta: float,
        sharing: SharedNoise | None,
        spare_rounds: int = 0,
        evaluation_share: float = 0.0,
    ) -> PrivacyPlan:
        """The privacy plan with this method's rounds and shares."""
        schedule = SCHEDULES[self.method].values()
        return PrivacyPlan.calibrate_sums(
            epsilon=epsilon,
            delta=delta,
            rounds=[rounds for rounds, _ in schedule],
            shares=[share for _, share in schedule],
            spare_rounds=spare_rounds,
            evaluation_share=evaluation_share,
            sharing=sharing,
        )

    def rounds(self, privacy: PrivacyPlan) -> tuple[Stage, ...]:
        """The stage of each round of `privacy`. Raises ConfigurationError as `check_privacy`."""
        self.check_privacy(privacy)
        return tuple(
            stage for stage, budget in zip(self.stages, privacy.stages, strict=True) for _ in range(budget.rounds)
        )

    def check_privacy(self, privacy: PrivacyPlan) -> None:
        """Raises ConfigurationError unless the plan has a budget for each stage, and one round where only one is."""
        got = [budget.rounds for budget in privacy.stages]
        single = {Stage.HISTOGRAM, Stage.CALIBRATION}
        fits = len(got) == len(self.stages)
        fits = fits and all(count == 1 for count, stage in zip(got, self.stages, strict=True) if stage in single)
        if not fits:
            expected = ", ".join("1 " + stage if stage in single else stage for stage in self.stages)
            raise ConfigurationError("privacy.stages", got=f"rounds {got}", expected=expected)

    def to_json(self) -> dict[str, Any]:
        """Plain values for canonical JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> SumRecipe:
        """The recipe in `value`. Raises ConfigurationError for an unknown, missing or impossible field."""
        return read_model(cls, value, ConfigurationError, "recipe")
