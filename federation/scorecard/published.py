"""Scores of a published model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.models import PublishedModel
from federation.rounds.rule import logits_of
from federation.scorecard.card import Scorecard, score_logits
from federation.scorecard.scaling import Scaling
from federation.scorecard.scores import Scores
from federation.training import Recipe, cell_effects

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


class Scorer:
    """Scores records under one model; an additive one gives parts and reasons, another says that it has none.

    shares  the average subject, from the federation's evaluation; None: reasons are measured from the neutral point
    The caller has verified `model`. Raises ConfigurationError unless it was trained under `catalogue`.
    """

    def __init__(
        self,
        model: PublishedModel,
        catalogue: Catalogue,
        scaling: Scaling | None = None,
        shares: Sequence[NDArray[np.float64]] | None = None,
    ) -> None:
        expected = model.plan.catalogue
        if expected.hash != catalogue.hash:
            raise ConfigurationError(
                "catalogue",
                got=f"{catalogue.name} {catalogue.version} ({catalogue.hash[:12]})",
                expected=f"{expected.name} {expected.version} ({expected.hash[:12]}), as in the model's plan",
            )
        self.model, self.catalogue, self.scaling = model, catalogue, scaling or Scaling()
        recipe = model.plan.recipe
        self.card = self._card(recipe, shares) if isinstance(recipe, Recipe) and recipe.family == "additive" else None

    def _card(self, recipe: Recipe, shares: Sequence[NDArray[np.float64]] | None) -> Scorecard:
        effects = cell_effects(self.catalogue, recipe, self.model.vector)
        return Scorecard(self.catalogue, effects, self.scaling, shares)

    def score(self, records: Encoded) -> Scores:
        """Raises RecordsError where codes do not belong to the catalogue."""
        if self.card is not None:
            return self.card.score(records)
        found = logits_of(self.catalogue, self.model.plan, self.model.vector, records)
        return score_logits(self.catalogue, found, records, self.scaling)
