"""Scores of a published model, whatever its family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.models import PublishedModel, effects_of
from federation.rounds.rule import logits_of
from federation.scorecard.card import Scorecard, score_logits
from federation.scorecard.scaling import Scaling
from federation.scorecard.scores import Scores

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


class Scorer:
    """Scores records under one model; an additive one gives parts and reasons, another says that it has none.

    shares  the average subject, from the federation's evaluation; None: as the training's own histogram knows it, or
            the neutral point for a recipe without
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
        self.card = self._card(shares) if model.plan.recipe.family == "additive" else None

    def _card(self, shares: Sequence[NDArray[np.float64]] | None) -> Scorecard:
        effects = effects_of(self.model, self.catalogue)
        known = effects.shares if shares is None else shares
        return Scorecard(self.catalogue, effects.cells, self.scaling, known, pairs=effects.pairs, knots=effects.knots)

    def score(self, records: Encoded) -> Scores:
        """Raises RecordsError where codes do not belong to the catalogue."""
        if self.card is not None:
            return self.card.score(records)
        found = logits_of(self.catalogue, self.model.plan, self.model.vector, records)
        return score_logits(self.catalogue, found, records, self.scaling)
