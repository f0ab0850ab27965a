"""One institution's part in a round, and what a model says: the same few calls for every family of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from federation.errors import ConfigurationError, RecordsError
from federation.privacy import NoiseSource, PrivacyPlan, check_delta
from federation.training.additive import AdditiveModel
from federation.training.recipe import PARAMETER_LIMIT, Recipe
from federation.training.sums.part import Setting
from federation.training.sums.recipe import SumRecipe

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.privacy.mechanism import GaussianMechanism
    from federation.records.encoded import Encoded


class Model(Protocol):
    """A family: how flat parameters become log-odds, and how a round moves them."""

    @property
    def dimension(self) -> int: ...

    def initial(self) -> NDArray[np.float32]: ...

    def logits(self, parameters: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float64]: ...

    def train(
        self,
        parameters: NDArray[np.float32],
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
        recipe: Recipe,
        mechanism: GaussianMechanism,
        nominal_records: int,
    ) -> NDArray[np.float64]: ...


class Trainer:
    """Trains on one institution's records with one institution's budget.

    `nominal_records` is the institution's PUBLIC size in the signed plan: gradients are divided by it (times the
    sampling rate), whatever the number of records really is, so the update does not give that number away.
    Raises PrivacyError if the plan's delta is too large for that size, ConfigurationError if its noise is not the
    family's.
    """

    def __init__(
        self, catalogue: Catalogue, recipe: Recipe, privacy: PrivacyPlan, nominal_records: int, noise: NoiseSource
    ) -> None:
        check_delta(privacy.delta, [nominal_records])
        recipe.check_privacy(privacy)
        self.recipe = recipe
        self.privacy = privacy
        self.nominal_records = nominal_records
        self.noise = noise
        self._model = _model(catalogue, recipe)

    def round(self, parameters: NDArray[np.float32], records: Encoded) -> NDArray[np.float32]:
        """The change that `steps_per_round` private steps make to `parameters`, float32 [d].

        It costs exactly `privacy.round_event()`, however many records there are, none included. Raises
        ConfigurationError for parameters of another shape or not finite, RecordsError for records without outcome.
        """
        start = checked_parameters(parameters, self._model.dimension)
        if records.target is None:
            raise RecordsError("target", got=None, expected="an outcome for every record")
        end = self._model.train(
            start,
            records.codes,
            records.target,
            self.recipe,
            self.privacy.mechanism(self.noise),
            self.nominal_records,
        )
        return (end - start).astype(np.float32)


def dimension(catalogue: Catalogue, recipe: Recipe | SumRecipe) -> int:
    """d, the number of parameters (of a recipe of sums: of its state), in closed form: no model is built."""
    if isinstance(recipe, SumRecipe):
        return Setting(catalogue, recipe, 1).layout.size
    return _model(catalogue, recipe).dimension


def initial_parameters(catalogue: Catalogue, recipe: Recipe) -> NDArray[np.float32]:
    """The model before any record is seen, float32 [d]; the same for every member."""
    return _model(catalogue, recipe).initial()


def logits(
    catalogue: Catalogue, recipe: Recipe, parameters: NDArray[np.float32], codes: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Log-odds of BAD, float64 [n], for codes uint8 [n, p]. Raises ConfigurationError, RecordsError."""
    model = _model(catalogue, recipe)
    return model.logits(checked_parameters(parameters, model.dimension), codes)


def cell_effects(
    catalogue: Catalogue, recipe: Recipe, parameters: NDArray[np.float32]
) -> tuple[NDArray[np.float64], ...]:
    """Log-odds of BAD that each cell adds, float64 [n_cells] per feature, in the catalogue's order.

    With the log-odds of the base rate they sum to `logits`. Raises ConfigurationError for a family without cells.
    """
    model = _model(catalogue, recipe)
    if not isinstance(model, AdditiveModel):
        raise ConfigurationError("recipe.family", got=recipe.family, expected="additive")
    return model.cell_effects(checked_parameters(parameters, model.dimension))


def checked_parameters(parameters: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
    """`parameters` as float32 [dimension]. Raises ConfigurationError for another shape or values out of bounds."""
    array = np.asarray(parameters, dtype=np.float32)
    if array.shape != (dimension,):
        raise ConfigurationError("parameters", got=f"shape {array.shape}", expected=f"({dimension},)")
    if not (np.abs(array) <= PARAMETER_LIMIT).all():
        raise ConfigurationError(
            "parameters", got="a value that is not finite or too large", expected=f"within {PARAMETER_LIMIT:g}"
        )
    return array


def _model(catalogue: Catalogue, recipe: Recipe) -> Model:
    if recipe.family == "additive":
        return AdditiveModel(catalogue)
    from federation.training.mlp import MlpModel  # torch and Opacus: seconds that the additive family's readers save

    return MlpModel(catalogue, recipe.hidden)
