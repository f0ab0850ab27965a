"""Typed results: a score is never silent about what it could not see.

Scores          n subjects as columns (arrays), for files
SubjectScore    one subject, for a person or a screen
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from federation.scorecard.scaling import Scaling

if TYPE_CHECKING:
    import polars as pl

MAX_REASONS = (
    4  # and enquiries as a fifth where they count against the subject (the practice of 12 CFR 1002.9, FCRA 609(f))
)
NO_PARTS = "the model family is not additive: it has no exact parts and no exact reasons"


class Outcome(IntEnum):
    """SCORED: score, band, parts and reasons hold. THIN_FILE: too few features known. NO_HIT: not in the data."""

    SCORED = 0
    THIN_FILE = 1
    NO_HIT = 2

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Coverage:
    """What of the catalogue the records could show. A feature that is not held contributes nothing to any score."""

    features: int
    not_held: tuple[str, ...] = ()

    @property
    def held(self) -> int:
        return self.features - len(self.not_held)

    def to_json(self) -> dict[str, Any]:
        return {"features": self.features, "held": self.held, "not_held": list(self.not_held)}


@dataclass(frozen=True)
class SubjectScore:
    """One subject. Score, band, parts and reasons are None unless `outcome` is SCORED.

    parts      points per dimension; they sum to `unclamped`, and `score` is that sum clamped to the scale
    reasons    families that count against the subject, heaviest first: (family, points lost against `reference`)
    note       why parts and reasons are absent, where they are
    """

    outcome: Outcome
    subject: str | None = None
    score: float | None = None
    unclamped: float | None = None
    band: str | None = None
    parts: dict[str, float] | None = None
    reasons: tuple[tuple[str, float], ...] | None = None
    reference: str | None = None
    known: int = 0
    coverage: Coverage | None = None
    note: str | None = None

    @classmethod
    def no_hit(cls, subject: str, coverage: Coverage | None = None) -> SubjectScore:
        """The typed answer for a subject who is not in the data."""
        return cls(Outcome.NO_HIT, subject=subject, coverage=coverage)

    def to_json(self) -> dict[str, Any]:
        reasons = self.reasons
        return {
            "outcome": self.outcome.label,
            "subject": self.subject,
            "score": self.score,
            "unclamped": self.unclamped,
            "band": self.band,
            "parts": self.parts,
            "reasons": None if reasons is None else [{"family": name, "points": points} for name, points in reasons],
            "reference": self.reference,
            "known": self.known,
            "coverage": None if self.coverage is None else self.coverage.to_json(),
            "note": self.note,
        }


@dataclass(frozen=True)
class Scores:
    """n subjects. Where `outcome` is not SCORED: score, unclamped and parts are NaN, band and reasons -1.

    score      float64 [n], clamped to the scale
    unclamped  float64 [n], exactly parts.sum(axis=1) where there are parts
    band       int8 [n], index into scaling.bands
    outcome    uint8 [n], values of Outcome
    known      uint16 [n], features held and not missing
    parts      float64 [n, dimensions]; None for a model that is not additive
    reasons    int8 [n, 5], indices into `families`, heaviest first, -1 = none; None for a model that is not additive
    lost       float64 [n, 5], the points each of these reasons costs against `reference`; 0 where there is none
    reference  "average subject", or "neutral point" where the average is not known
    """

    score: NDArray[np.float64]
    unclamped: NDArray[np.float64]
    band: NDArray[np.int8]
    outcome: NDArray[np.uint8]
    known: NDArray[np.uint16]
    scaling: Scaling
    coverage: Coverage
    dimensions: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    parts: NDArray[np.float64] | None = None
    reasons: NDArray[np.int8] | None = None
    lost: NDArray[np.float64] | None = None
    reference: str | None = None

    def __len__(self) -> int:
        return int(self.score.shape[0])

    @property
    def note(self) -> str | None:
        return NO_PARTS if self.parts is None else None

    def counts(self) -> dict[str, int]:
        """Subjects per outcome."""
        return {outcome.label: int(np.count_nonzero(self.outcome == outcome)) for outcome in Outcome}

    def band_counts(self) -> dict[str, int]:
        """Scored subjects per band, lowest band first."""
        return {band.name: int(np.count_nonzero(self.band == i)) for i, band in enumerate(self.scaling.bands)}

    def subject(self, index: int, name: str | None = None) -> SubjectScore:
        """The subject in row `index` as a value of its own."""
        outcome = Outcome(int(self.outcome[index]))
        known = int(self.known[index])
        if outcome is not Outcome.SCORED:
            return SubjectScore(outcome, subject=name, known=known, coverage=self.coverage)
        return SubjectScore(
            outcome,
            subject=name,
            score=float(self.score[index]),
            unclamped=float(self.unclamped[index]),
            band=self.scaling.bands[int(self.band[index])].name,
            parts=self._parts_of(index),
            reasons=self._reasons_of(index),
            reference=self.reference,
            known=known,
            coverage=self.coverage,
            note=self.note,
        )

    def _parts_of(self, index: int) -> dict[str, float] | None:
        if self.parts is None:
            return None
        return dict(zip(self.dimensions, map(float, self.parts[index]), strict=True))

    def _reasons_of(self, index: int) -> tuple[tuple[str, float], ...] | None:
        if self.reasons is None or self.lost is None:
            return None
        pairs = zip(self.reasons[index], self.lost[index], strict=True)
        return tuple((self.families[int(family)], float(points)) for family, points in pairs if family >= 0)

    def to_frame(self, subjects: Sequence[object] | NDArray[np.object_] | None = None) -> pl.DataFrame:
        """One row per subject: [subject], outcome, score, unclamped, band, part_*, reason_1.., known, features_held.

        What a subject does not have is null. Scores are rounded to two decimals; parts to three.
        """
        import polars as pl  # an eighth of a second that whoever makes no table saves: round driver, training

        columns: dict[str, pl.Series] = {}
        if subjects is not None:
            columns["subject"] = pl.Series("subject", [str(value) for value in subjects], dtype=pl.String)
        columns["outcome"] = _names(self.outcome, [outcome.label for outcome in Outcome])
        columns["score"] = _numbers(self.score, 2)
        columns["unclamped"] = _numbers(self.unclamped, 2)
        columns["band"] = _names(self.band, [band.name for band in self.scaling.bands])
        if self.parts is not None:
            for position, dimension in enumerate(self.dimensions):
                columns[f"part_{dimension}"] = _numbers(self.parts[:, position], 3)
        if self.reasons is not None:
            for position in range(self.reasons.shape[1]):
                columns[f"reason_{position + 1}"] = _names(self.reasons[:, position], self.families)
        columns["known"] = pl.Series(self.known)
        frame = pl.DataFrame(columns)
        return frame.with_columns(pl.lit(self.coverage.held, dtype=pl.UInt16).alias("features_held"))


def _numbers(values: NDArray[np.float64], decimals: int) -> pl.Series:
    import polars as pl

    return pl.Series(np.round(values, decimals), nan_to_null=True)


def _names(index: NDArray[np.integer[Any]], names: Sequence[str]) -> pl.Series:
    """Names by index, as a dictionary-encoded column; null for -1."""
    import polars as pl

    wide = pl.Series(index.astype(np.int64))
    return wide.replace_strict(range(len(names)), names, default=None, return_dtype=pl.Enum(list(names)))
