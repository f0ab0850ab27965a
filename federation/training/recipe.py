"""How a model is trained: fixed in the signed plan, the same for every member.

>>> recipe = Recipe(learning_rate=11.6)
>>> Recipe.from_json(recipe.to_json()) == recipe
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.errors import ConfigurationError
from federation.privacy import PrivacyPlan, noise_level
from federation.privacy.plan import Distribution
from federation.runtime.wording import read_model

if TYPE_CHECKING:
    from federation.catalogue import Catalogue

PARAMETER_LIMIT = 1e6  # no parameter of a model lies beyond it, in a request or after a step: log-odds are tens
MAX_LAYERS, MAX_WIDTH = 4, 1024
_QUIET = 5e-4  # noise level under which steps may be longer


Family: TypeAlias = Literal["additive", "mlp"]


def noise_of(family: Family) -> Distribution:
    """The noise that a family's gradients get: exact integers for the additive one, floating point for networks."""
    return "discrete_gaussian" if family == "additive" else "gaussian"


class Recipe(BaseModel):
    """Model family and local optimiser (SGD, momentum reset every round).

    family         "additive": logistic regression on the embedding, an exact scorecard; "mlp": a network on it
    hidden         widths of the network's hidden layers; empty for the additive family
    learning_rate  of the mean clipped gradient, at most 10,000
    average_last   the published model is the mean of this many last rounds
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Family = "additive"
    hidden: tuple[int, ...] = Field(default=(), strict=False)
    learning_rate: float = Field(gt=0, le=1e4, allow_inf_nan=False)
    momentum: float = Field(default=0.5, ge=0, lt=1)
    average_last: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _layers_fit_the_family(self) -> Self:
        fits = len(self.hidden) <= MAX_LAYERS and all(1 <= width <= MAX_WIDTH for width in self.hidden)
        if (self.family == "mlp") != bool(self.hidden) or not fits:
            raise ConfigurationError(
                "recipe.hidden",
                got=list(self.hidden[: MAX_LAYERS + 1]),
                expected=f"1 to {MAX_LAYERS} widths of 1 to {MAX_WIDTH} for an mlp, none for additive",
            )
        return self

    @classmethod
    def default(cls, catalogue: Catalogue, privacy: PrivacyPlan, nominal_records: Sequence[int]) -> Recipe:
        """The additive recipe with the learning rate that fits the noise: from public figures only.

        In units of L = 1 / (pi (1 - pi)), the inverse curvature of the logistic loss at the catalogue's base rate pi.
        """
        curvature = catalogue.base_rate * (1 - catalogue.base_rate)
        quiet = noise_level(privacy.epsilon, privacy.delta, nominal_records) < _QUIET
        return cls(learning_rate=(4.0 if quiet else 2.0) / curvature)

    def check_privacy(self, privacy: PrivacyPlan) -> None:
        """Raises ConfigurationError unless the noise is that of the family: integers for additive, floats for mlp."""
        expected = noise_of(self.family)
        if privacy.distribution != expected:
            where = f"privacy.distribution of {self.family}"
            raise ConfigurationError(where, got=privacy.distribution, expected=expected)
        if privacy.stages:
            raise ConfigurationError("privacy.stages", got=f"{len(privacy.stages)} stages", expected="none: averaging")

    def to_json(self) -> dict[str, Any]:
        """Plain values for canonical JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """The recipe in `value`. Raises ConfigurationError for an unknown, missing or impossible field."""
        return read_model(cls, value, ConfigurationError, "recipe")
