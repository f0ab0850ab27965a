"""What an institution contributes about its own customers: identifier -> evidence and five parts, under one model.

Evidence is the log-odds of BAD that a customer's cells add to the public prior; the parts are its split by dimension
(zero for a model that is not additive: it has no exact parts). Nothing here is a release: the caller quantises, pads
and masks it (`federation.lookup.record`, `protocols.lookup.table`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clients.institution.home import InstitutionHome
from federation.catalogue import Catalogue, Dimension
from federation.errors import ConfigurationError
from federation.models import PublishedModel
from federation.records import load_records
from federation.records.encoded import Encoded
from federation.training import cell_effects, logits

Normalise = Callable[[str], bytes]
_DIMENSIONS = tuple(Dimension)


@dataclass(frozen=True)
class Customers:
    """n customers: identifiers as hashed, evidence float64 [n], parts float64 [n, 5]. Never in a repr."""

    identifiers: tuple[bytes, ...] = field(repr=False)
    evidence: NDArray[np.float64] = field(repr=False)
    parts: NDArray[np.float64] = field(repr=False)
    left_out: int  # records that break the catalogue's rules, or whose identifier has not the scheme's form

    def __len__(self) -> int:
        return len(self.identifiers)


def read_customers(
    home: InstitutionHome, catalogue: Catalogue, model: PublishedModel, normalise: Normalise
) -> Customers:
    """The customers in the home's data file whom the catalogue's rules and the identifier scheme admit.

    `model` was verified by the caller. Raises ConfigurationError where the catalogue names no subject or the model is
    of another one, RecordsError for a file that cannot be used.
    """
    if catalogue.subject is None:
        raise ConfigurationError("catalogue", got=catalogue.name, expected="a catalogue with a subject identifier")
    if model.plan.catalogue.hash != catalogue.hash:
        raise ConfigurationError("model", got=model.plan.catalogue.hash[:16], expected=catalogue.hash[:16])
    records, report = load_records(
        home.data,
        catalogue,
        coverage=home.settings.features,
        require_target=False,
        quarantine=home.quarantine / "lookup.csv",
    )
    identifiers, rows = _identified(records, normalise)
    records = records.take(rows)
    evidence, parts = contributions(catalogue, model, records)
    left_out = report.rows_quarantined + report.rows_read - report.rows_quarantined - len(identifiers)
    return Customers(identifiers, evidence, parts, left_out)


def contributions(
    catalogue: Catalogue, model: PublishedModel, records: Encoded
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evidence float64 [n] and parts float64 [n, 5], log-odds of BAD without the prior."""
    recipe = model.plan.recipe
    if recipe.family != "additive":
        prior = math.log(catalogue.base_rate / (1 - catalogue.base_rate))
        found = logits(catalogue, recipe, model.vector, records.codes) - prior
        return found, np.zeros((len(records), len(_DIMENSIONS)))
    parts = np.zeros((len(records), len(_DIMENSIONS)))
    effects = cell_effects(catalogue, recipe, model.vector)
    for position, (feature, effect) in enumerate(zip(catalogue.features, effects, strict=True)):
        table = np.append(effect, 0.0)  # the last code: a feature that is not held
        parts[:, _DIMENSIONS.index(feature.dimension)] += table[records.codes[:, position]]
    return parts.sum(axis=1), parts


def _identified(records: Encoded, normalise: Normalise) -> tuple[tuple[bytes, ...], NDArray[np.int64]]:
    """Identifiers as hashed and the rows they come from; the first row of an identifier counts."""
    assert records.subjects is not None
    found: dict[bytes, int] = {}
    for row, subject in enumerate(records.subjects):
        try:
            found.setdefault(normalise(str(subject)), row)
        except ConfigurationError:
            continue
    return tuple(found), np.fromiter(found.values(), np.int64, len(found))
