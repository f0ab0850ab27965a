"""The scorecard of an additive model: cell effects become points, exactly.

    score = offset - factor (logit of the base rate + sum of the cells' effects)

The points that no feature explains (offset and base rate) are given to the dimensions in proportion to the catalogue's
dimension weights, so the parts add up to the score before clamping, with nothing left over. A cell's points belong to
its feature's dimension; a pair's go half to each of its features', and are measured from zero, as their codes are
centred. Where the model is recalibrated, points count by the slope of the segment that the subject is in
(`federation.scorecard.recalibration`). Reasons are distances from the AVERAGE subject where the shares of the cells are
known (from the charged evaluation release, or from training itself), from the neutral point (zero effect) otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue, Dimension
from federation.errors import ConfigurationError, RecordsError
from federation.scorecard.reasons import rank
from federation.scorecard.recalibration import Recalibration
from federation.scorecard.scaling import Scaling
from federation.scorecard.scores import Coverage, Outcome, Scores
from federation.training.sums.pair_codes import PairCodes

if TYPE_CHECKING:
    from federation.records.encoded import Encoded

CHUNK = 16_384  # rows scored at a time: codes and accumulators stay in the processor's cache
AVERAGE = "average subject"
NEUTRAL = "neutral point"
DIMENSIONS = tuple(dimension.value for dimension in Dimension)


@dataclass(frozen=True)
class _Column:
    """One feature's tables, indexed by code; the last entry is for a feature that is not held."""

    points: NDArray[np.float64]
    loss: NDArray[np.float64]
    known: NDArray[np.uint16]
    dimension: int
    family: int


class Scorecard:
    """Points per cell of an additive model.

    effects  float64 [n_cells] per feature, log-odds of BAD (federation.training.cell_effects)
    shares   float64 [n_cells] per feature, each summing to 1: how subjects spread over the cells; None if not known
    pairs    float64 [cells of the first, of the second] per pair of the catalogue; empty for a model without
    knots    (raw, calibrated) log-odds; empty for a model that is not recalibrated
    Raises ConfigurationError where tables and catalogue do not fit.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        effects: Sequence[NDArray[np.float64]],
        scaling: Scaling | None = None,
        shares: Sequence[NDArray[np.float64]] | None = None,
        *,
        pairs: Sequence[NDArray[np.float64]] = (),
        knots: Sequence[tuple[float, float]] = (),
    ) -> None:
        self.catalogue = catalogue
        self.scaling = scaling or Scaling()
        self._recalibration = Recalibration.of(knots)
        self.reference = NEUTRAL if shares is None else AVERAGE
        inputs = (*catalogue.features, *catalogue.pair_features)
        self.families = tuple(dict.fromkeys(feature.reason for feature in inputs))
        self.base = base_points(catalogue, self.scaling)
        self.points = tuple(-self.scaling.factor * table for table in _tables(catalogue, "effects", effects))
        self._columns = self._build(None if shares is None else _tables(catalogue, "shares", shares))
        self._pair_codes = PairCodes(catalogue) if len(pairs) else None
        self._pairs = self._pair_columns(pairs)
        self._enquiries = np.array([self._is_enquiry(family) for family in self.families], dtype=bool)

    def _build(self, shares: Sequence[NDArray[np.float64]] | None) -> tuple[_Column, ...]:
        columns = []
        for position, (feature, points) in enumerate(zip(self.catalogue.features, self.points, strict=True)):
            average = 0.0 if shares is None else float(points @ shares[position])
            known = np.ones(points.size + 1, dtype=np.uint16)
            known[points.size - 1 :] = 0  # missing, and not held
            columns.append(
                _Column(
                    points=np.append(points, 0.0),
                    loss=np.append(average - points, 0.0),
                    known=known,
                    dimension=DIMENSIONS.index(feature.dimension),
                    family=self.families.index(feature.reason),
                )
            )
        return tuple(columns)

    def _pair_columns(self, pairs: Sequence[NDArray[np.float64]]) -> tuple[tuple[_Column, _Column], ...]:
        """Each pair's table twice, at half its points: for either feature's dimension and family."""
        if self._pair_codes is None:
            return ()
        names, shapes = self.catalogue.pairs, [(a[1], b[1]) for a, b in self._pair_codes.shapes]
        if [np.shape(table) for table in pairs] != shapes or not all(np.isfinite(table).all() for table in pairs):
            raise ConfigurationError("scorecard.pairs", got="other tables", expected=f"finite, of shapes {shapes}")
        return tuple(
            (self._half(first, table), self._half(second, table))
            for (first, second), table in zip(names, pairs, strict=True)
        )

    def _half(self, name: str, effects: NDArray[np.float64]) -> _Column:
        feature = self.catalogue.feature(name)
        points = np.append(-0.5 * self.scaling.factor * np.asarray(effects, dtype=np.float64).ravel(), 0.0)
        family = self.families.index(feature.reason)
        return _Column(points, -points, np.zeros(points.size, np.uint16), DIMENSIONS.index(feature.dimension), family)

    def _is_enquiry(self, family: str) -> bool:
        inputs = (*self.catalogue.features, *self.catalogue.pair_features)
        members = [feature for feature in inputs if feature.reason == family]
        return all(feature.dimension == Dimension.ENQUIRIES for feature in members)

    def score(self, records: Encoded) -> Scores:
        """Scores of n records. Raises RecordsError where codes do not belong to the catalogue."""
        codes = checked_codes(self.catalogue, records)
        pairs = None if self._pair_codes is None else self._pair_codes.codes(records)
        n = len(records)
        parts = np.empty((n, len(DIMENSIONS)))
        known = np.empty(n, dtype=np.uint16)
        reasons = np.empty((n, 5), dtype=np.int8)
        lost = np.empty((n, 5))
        for start in range(0, n, CHUNK):
            rows = slice(start, start + CHUNK)
            raw, losses, known[rows] = self._accumulate(codes[rows], None if pairs is None else pairs[rows])
            parts[rows], losses = self._recalibrated(raw, losses)
            reasons[rows], lost[rows] = rank(losses, self._enquiries)
        scores = assemble(parts.sum(axis=1), known, self.scaling, coverage(self.catalogue, codes))
        thin = scores.outcome != Outcome.SCORED
        parts[thin], reasons[thin], lost[thin] = np.nan, -1, 0.0
        return replace(
            scores,
            dimensions=DIMENSIONS,
            families=self.families,
            parts=parts,
            reasons=reasons,
            lost=lost,
            reference=self.reference,
        )

    def _recalibrated(
        self, parts: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self._recalibration is None:
            return parts, losses
        return self._recalibration.of_parts(parts, losses, self.base, self._weights, self.scaling)

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return base_weights(self.catalogue)

    def _accumulate(
        self, codes: NDArray[np.uint8], pairs: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint16]]:
        """Parts [rows, 5], losses [rows, families], known features [rows] of one chunk."""
        columns = np.ascontiguousarray(codes.T)
        parts = np.repeat(self.base[:, None], codes.shape[0], axis=1)
        losses = np.zeros((len(self.families), codes.shape[0]))
        known = np.zeros(codes.shape[0], dtype=np.uint16)
        for column, table in zip(columns, self._columns, strict=True):
            parts[table.dimension] += table.points[column]
            losses[table.family] += table.loss[column]
            known += table.known[column]
        for column, halves in zip(() if pairs is None else np.ascontiguousarray(pairs.T), self._pairs, strict=True):
            for table in halves:
                parts[table.dimension] += table.points[column]
                losses[table.family] += table.loss[column]
        return parts.T, losses.T, known


def score_logits(catalogue: Catalogue, logits: NDArray[np.float64], records: Encoded, scaling: Scaling) -> Scores:
    """Scores from the log-odds of BAD of a model that is not additive: no parts, no reasons, and the result says so."""
    codes = checked_codes(catalogue, records)
    if logits.shape != (len(records),):
        raise RecordsError("logits", got=f"shape {logits.shape}", expected=f"({len(records)},)")
    cells = np.array([feature.n_cells for feature in catalogue.features])
    known = (codes < cells - 1).sum(axis=1).astype(np.uint16)
    return assemble(scaling.from_logits(logits), known, scaling, coverage(catalogue, codes))


def base_points(catalogue: Catalogue, scaling: Scaling) -> NDArray[np.float64]:
    """The neutral subject's points per dimension: what no feature explains, split by the catalogue's weights."""
    rate = catalogue.base_rate
    neutral: NDArray[np.float64] = scaling.from_logits(math.log(rate / (1 - rate))) * base_weights(catalogue)
    return neutral


def base_weights(catalogue: Catalogue) -> NDArray[np.float64]:
    """The catalogue's dimension weights, summing to 1."""
    weights = np.array([catalogue.dimension_weights.get(dimension, 0.0) for dimension in Dimension], dtype=np.float64)
    if not weights.sum() > 0 or weights.min() < 0:
        raise ConfigurationError("catalogue.dimension_weights", got=weights.tolist(), expected="not all zero, none < 0")
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def assemble(unclamped: NDArray[np.float64], known: NDArray[np.uint16], scaling: Scaling, seen: Coverage) -> Scores:
    """Typed scores from unclamped points: thin files get none."""
    thin = known < math.ceil(scaling.minimum_known * seen.features)
    points = np.where(thin, np.nan, unclamped)
    score = scaling.clamp(points)
    outcome = np.where(thin, Outcome.THIN_FILE, Outcome.SCORED).astype(np.uint8)
    return Scores(score, points, scaling.band_index(score), outcome, known, scaling, seen)


def coverage(catalogue: Catalogue, codes: NDArray[np.uint8]) -> Coverage:
    """Features that no record of this table holds."""
    cells = np.array([feature.n_cells for feature in catalogue.features])
    absent = (codes == cells).all(axis=0) & (codes.shape[0] > 0)
    names = tuple(feature.name for feature, missing in zip(catalogue.features, absent, strict=True) if missing)
    return Coverage(len(catalogue.features), names)


def checked_codes(catalogue: Catalogue, records: Encoded) -> NDArray[np.uint8]:
    """The codes, once every one of them is a cell of its feature (or 'not held')."""
    codes = records.codes
    cells = np.array([feature.n_cells for feature in catalogue.features])
    if codes.ndim != 2 or codes.shape[1] != cells.size:
        raise RecordsError("codes", got=f"shape {codes.shape}", expected=f"[n, {cells.size}]")
    beyond = codes.max(axis=0, initial=0) > cells
    if beyond.any():
        name = catalogue.features[int(np.argmax(beyond))].name
        raise RecordsError(
            f"codes of {name}", got="a cell the catalogue does not have", expected=f"at most {cells[beyond][0]}"
        )
    return codes


def _tables(catalogue: Catalogue, what: str, tables: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    if len(tables) != len(catalogue.features):
        raise ConfigurationError(f"scorecard.{what}", got=f"{len(tables)} tables", expected=len(catalogue.features))
    checked = []
    for feature, table in zip(catalogue.features, tables, strict=True):
        values = np.asarray(table, dtype=np.float64)
        if values.shape != (feature.n_cells,) or not np.isfinite(values).all():
            raise ConfigurationError(
                f"scorecard.{what}.{feature.name}",
                got=f"shape {values.shape}, finite {bool(np.isfinite(values).all())}",
                expected=f"{feature.n_cells} finite numbers",
            )
        checked.append(values)
    return tuple(checked)
