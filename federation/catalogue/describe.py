"""A catalogue as plain values, for people and machines."""

from __future__ import annotations

from federation.catalogue.categories import Dimension
from federation.catalogue.values import Catalogue, Feature


def describe(catalogue: Catalogue) -> dict[str, object]:
    """Everything a member signs up to, JSON-ready."""
    target = catalogue.target
    return {
        "name": catalogue.name,
        "version": catalogue.version,
        "title": catalogue.title,
        "hash": catalogue.hash,
        "purpose": str(catalogue.purpose),
        "retention_years": catalogue.retention_years,
        "unit_of_privacy": catalogue.unit_of_privacy,
        "subject": catalogue.subject,
        "target": {"column": target.column, "bad": list(target.bad), "definition": target.definition},
        "base_rate": catalogue.base_rate,
        "dimension_weights": {str(dim): catalogue.dimension_weights[dim] for dim in Dimension},
        "reasons": dict(catalogue.reasons),
        "features": [describe_feature(catalogue, feature) for feature in catalogue.features],
        "pair_features": [describe_feature(catalogue, feature) for feature in catalogue.pair_features],
        "pairs": [list(pair) for pair in catalogue.pairs],
        "protected": [
            {"name": item.name, "column": item.column, "groups": list(item.groups)} for item in catalogue.protected
        ],
        "prohibited": list(catalogue.prohibited),
    }


def describe_feature(catalogue: Catalogue, feature: Feature) -> dict[str, object]:
    """One feature with the columns it reads and the label of each cell."""
    return {
        "name": feature.name,
        "title": feature.title,
        "columns": list(catalogue.inputs(feature.source)),
        "dimension": str(feature.dimension),
        "reason": feature.reason,
        "kind": str(feature.kind),
        "monotone": feature.monotone,
        "cells": [feature.cell_label(cell) for cell in range(feature.n_cells)],
    }
