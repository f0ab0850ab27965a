"""HOME/blind/model.json: the weights and the salt, readable by their owner alone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field

from federation.blind import Columns
from federation.blind.columns import By
from federation.catalogue import Catalogue, load_catalogue
from federation.errors import ConfigurationError
from federation.models import Effects
from federation.rounds.plan import CatalogueRef, Document
from federation.scorecard import Scaling
from protocols.blind import BlindModel
from protocols.blind.messages import FLOOD_BITS
from protocols.blind.model import SALT_BYTES


class ModelFile(Document):
    """`source`: the hash of the published model that the weights are of; empty for a scorecard of the owner's own."""

    format: Literal["fedscore/v1/blind-model"] = "fedscore/v1/blind-model"
    catalogue: CatalogueRef
    catalogue_file: str
    source: str
    weights: tuple[float, ...] = Field(repr=False)
    pairs: bool
    by: By
    knots: tuple[tuple[float, float], ...]
    scaling: dict[str, Any]
    flood: int
    salt: str = Field(repr=False)

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        catalogue_file: str,
        effects: Effects,
        scaling: Scaling,
        *,
        source: str = "",
        flood: int = FLOOD_BITS,
        by: By = "dimension",
    ) -> Self:
        """With a fresh salt. Raises ConfigurationError or MessageError for a model that cannot be served."""
        pairs = bool(len(effects.pairs))
        made = cls(
            catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
            catalogue_file=catalogue_file,
            source=source,
            weights=Columns(catalogue, pairs, by).weights(effects),
            pairs=pairs,
            by=by,
            knots=effects.knots,
            scaling=scaling.to_json(),
            flood=flood,
            salt=secrets.token_bytes(SALT_BYTES).hex(),
        )
        made.model(catalogue)
        return made

    def load_catalogue(self) -> Catalogue:
        """Raises ConfigurationError if the file is no longer the catalogue that the model was made with."""
        catalogue = load_catalogue(self.catalogue_file)
        if catalogue.hash != self.catalogue.hash:
            raise ConfigurationError(
                f"catalogue {self.catalogue_file}", got=catalogue.hash[:12], expected=self.catalogue.hash[:12]
            )
        return catalogue

    def columns(self, catalogue: Catalogue) -> Columns:
        return Columns(catalogue, self.pairs, self.by)

    def model(self, catalogue: Catalogue) -> BlindModel:
        """Raises MessageError for weights that do not fit."""
        columns = self.columns(catalogue)
        return BlindModel(
            self.weights,
            columns.part_of,
            bytes.fromhex(self.salt),
            intercept=columns.intercept,
            flood=self.flood,
            own=columns.own,
            named_by=columns.mains,
        )


def read_effects(path: Path, catalogue: Catalogue) -> Effects:
    """A scorecard of the owner's own: JSON {feature: [log-odds of BAD per cell]}. Raises ConfigurationError."""
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(path), got="an unreadable file", expected="JSON {feature: [log-odds]}") from error
    if not isinstance(tables, Mapping) or set(tables) != set(catalogue.feature_names):
        raise ConfigurationError(str(path), got="other features", expected="every feature of the catalogue, no other")
    cells = []
    for feature in catalogue.features:
        table = tables[feature.name]
        fits = isinstance(table, list) and len(table) == feature.n_cells
        if not fits or not all(type(x) in (int, float) and np.isfinite(x) for x in table):
            expected = f"{feature.n_cells} finite numbers"
            raise ConfigurationError(f"{path}: {feature.name}", got="another table", expected=expected)
        cells.append(np.array(table, dtype=np.float64))
    return Effects(tuple(cells))
