"""From log-odds to a score between 350 and 950, and from a score to a band.

>>> scaling = Scaling()
>>> [round(float(scaling.points(odds))) for odds in (5, 10, 20)]     # good : bad; 40 points double the odds
[600, 640, 680]
>>> scaling.band_of(649.9).name
'good'

    score = offset + factor ln(odds good:bad)     factor = pdo / ln 2     offset = base_score - factor ln(base_odds)

The scaling of points to double the odds is the industry's usual one (Siddiqi, Credit Risk Scorecards, 2006, chapter 6).
Log-odds inside the project are of BAD, so ln(odds good:bad) = -logit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from federation.errors import ConfigurationError


@dataclass(frozen=True)
class Band:
    """Scores in [low, high); the highest band holds its upper end too."""

    name: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigurationError(f"band {self.name}", got=f"{self.low} to {self.high}", expected="low < high")


BANDS = (
    Band("poor", 350, 550),
    Band("fair", 550, 600),
    Band("good", 600, 650),
    Band("very good", 650, 700),
    Band("excellent", 700, 950),
)


@dataclass(frozen=True)
class Scaling:
    """How log-odds become points; configuration, the same for every member of a federation.

    base_score, base_odds  a subject with odds good:bad of `base_odds` scores `base_score`
    pdo                    points that double the odds good:bad
    minimum, maximum       scores are clamped to this range; the five parts are not
    bands                  contiguous from minimum to maximum
    minimum_known          a subject with a smaller share of the catalogue's features known (held and not missing) is a
                           thin file and gets no score

    The defaults read: 600 is odds of 5:1 (one bad in six), 650 about 12:1, 700 about 28:1, 550 about 2:1.
    Raises ConfigurationError.
    """

    base_score: float = 600.0
    base_odds: float = 5.0
    pdo: float = 40.0
    minimum: float = 350.0
    maximum: float = 950.0
    bands: tuple[Band, ...] = BANDS
    minimum_known: float = 0.3

    def __post_init__(self) -> None:
        for name in ("base_odds", "pdo"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(f"scaling.{name}", got=getattr(self, name), expected="a positive number")
        if not self.minimum <= self.base_score <= self.maximum:
            raise ConfigurationError(
                "scaling.base_score", got=self.base_score, expected=f"{self.minimum} to {self.maximum}"
            )
        if not 0 <= self.minimum_known <= 1:
            raise ConfigurationError("scaling.minimum_known", got=self.minimum_known, expected="a share, 0 to 1")
        ends = [self.minimum, *(band.high for band in self.bands)]
        starts = [*(band.low for band in self.bands), self.maximum]
        if not self.bands or ends != starts:
            raise ConfigurationError(
                "scaling.bands", got=starts, expected=f"contiguous bands from {self.minimum} to {self.maximum}"
            )

    @property
    def factor(self) -> float:
        """Points per unit of log-odds."""
        return self.pdo / math.log(2)

    @property
    def offset(self) -> float:
        """Points at even odds."""
        return self.base_score - self.factor * math.log(self.base_odds)

    @property
    def cuts(self) -> NDArray[np.float64]:
        """The scores that separate neighbouring bands, ascending."""
        return np.array([band.low for band in self.bands[1:]], dtype=np.float64)

    def points(self, odds: ArrayLike) -> NDArray[np.float64]:
        """Unclamped points for odds good:bad."""
        return self.offset + self.factor * np.log(np.asarray(odds, dtype=np.float64))

    def from_logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Unclamped points for log-odds of BAD."""
        return self.offset - self.factor * np.asarray(logits, dtype=np.float64)

    def to_logits(self, points: ArrayLike) -> NDArray[np.float64]:
        """Log-odds of BAD at unclamped points; the inverse of `from_logits`."""
        return (self.offset - np.asarray(points, dtype=np.float64)) / self.factor

    def clamp(self, points: ArrayLike) -> NDArray[np.float64]:
        return np.clip(np.asarray(points, dtype=np.float64), self.minimum, self.maximum)

    def band_index(self, scores: ArrayLike) -> NDArray[np.int8]:
        """Index into `bands` of each clamped score; -1 where there is no score (NaN)."""
        values = np.asarray(scores, dtype=np.float64)
        index = np.searchsorted(self.cuts, values, side="right").astype(np.int8)
        return np.where(np.isnan(values), np.int8(-1), index)

    def band_of(self, score: float) -> Band:
        """The band of one score."""
        return self.bands[int(self.band_index(np.array([score]))[0])]

    def to_json(self) -> dict[str, Any]:
        return {
            "base_score": self.base_score,
            "base_odds": self.base_odds,
            "odds": "good:bad",
            "pdo": self.pdo,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minimum_known": self.minimum_known,
            "bands": [{"name": band.name, "low": band.low, "high": band.high} for band in self.bands],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scaling:
        """Raises ConfigurationError for an odds convention other than good:bad, and for unknown or missing keys."""
        fields = dict(value)
        if fields.pop("odds", "good:bad") != "good:bad":
            raise ConfigurationError("scaling.odds", got=value["odds"], expected="good:bad")
        try:
            bands = tuple(Band(**band) for band in fields.pop("bands", [])) or BANDS
            return cls(bands=bands, **fields)
        except TypeError as error:
            raise ConfigurationError("scaling", got=str(error), expected="the fields of Scaling") from error
