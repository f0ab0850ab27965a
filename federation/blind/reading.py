"""From the parts that a lender opened to a score, its band and its reasons, and how far noise may have moved them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.blind.offer import Offer
from federation.catalogue import Catalogue, Dimension
from federation.scorecard import DIMENSIONS, Outcome, Scores
from federation.scorecard.card import NEUTRAL, assemble, base_points, base_weights, checked_codes, coverage
from federation.scorecard.reasons import rank
from federation.scorecard.recalibration import Recalibration
from protocols import blind

if TYPE_CHECKING:
    from federation.records.encoded import Encoded


def known_features(catalogue: Catalogue, records: Encoded) -> NDArray[np.uint16]:
    """Of each record: features held and not missing."""
    cells = np.array([feature.n_cells for feature in catalogue.features])
    return np.asarray((checked_codes(catalogue, records) < cells - 1).sum(axis=1), dtype=np.uint16)


def read_scores(offer: Offer, catalogue: Catalogue, opened: blind.Scores, records: Encoded) -> Scores:
    """Scores of n records from float64[n, parts] log-odds. Reasons are the parts of the offer (dimensions, or families)
    that cost points against the neutral point: what a single feature costs is not in an answer.
    """
    scaling, columns = offer.read_scaling(), offer.columns(catalogue)
    losses = scaling.factor * opened.parts
    base = base_points(catalogue, scaling)
    parts = base - losses @ np.array([[float(of == name) for name in DIMENSIONS] for of in columns.dimension_of])
    recalibration = Recalibration.of(offer.knots)
    if recalibration is not None:
        parts, losses = recalibration.of_parts(parts, losses, base, base_weights(catalogue), scaling)
    enquiries = np.array([of == Dimension.ENQUIRIES.value for of in columns.dimension_of])
    reasons, lost = rank(losses, enquiries)
    known = known_features(catalogue, records)
    scores = assemble(parts.sum(axis=1), known, scaling, coverage(catalogue, records.codes))
    thin = scores.outcome != Outcome.SCORED
    parts[thin], reasons[thin], lost[thin] = np.nan, -1, 0.0
    found = {"dimensions": DIMENSIONS, "families": offer.parts, "parts": parts, "reasons": reasons, "lost": lost}
    return replace(scores, **found, reference=NEUTRAL)


def uncertainty(offer: Offer, catalogue: Catalogue) -> float:
    """Points by which noise and the rounding of weights move a score at most: a bound, not a standard deviation."""
    terms, active = offer.read_terms(), offer.columns(catalogue).active
    log_odds = terms.parts * 2.0 ** (terms.flood - 21) + (active + terms.parts) * 2.0**-21
    steepest = 1.0
    if offer.knots:
        x, y = np.array(offer.knots).T
        steepest = float((np.diff(y) / np.diff(x)).max())
    return offer.read_scaling().factor * steepest * log_odds


def bands_within(scores: Scores, points: float) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """int8[n] each: the lowest and the highest band that a score may be in, `points` either way; -1 without a score."""
    low, high = (scores.scaling.clamp(scores.unclamped + move) for move in (-points, points))
    return scores.scaling.band_index(low), scores.scaling.band_index(high)
