"""What is known of a model's quality, from one of two sources that a card must never mix up.

of_release   a federation's model: everything from the one charged, noisy histogram of all members
of_records   an owner's own records: exact, and only the owner may see it unless it is released otherwise
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.evaluation import metrics as exact
from federation.evaluation.axes import GroupAxis, ScoreAxis
from federation.evaluation.fairness import Fairness, exact_fairness, fairness
from federation.evaluation.metrics import CalibrationPoint
from federation.evaluation.probability import probability
from federation.evaluation.profiles import Profile
from federation.evaluation.spec import EvaluationSpec
from federation.evaluation.tables import EvaluationTables
from federation.evaluation.uncertainty import Estimate
from federation.scorecard.scaling import Scaling

if TYPE_CHECKING:
    from federation.records.encoded import Encoded

RELEASE = "one charged differentially private histogram of score x label x group, summed over the members"
RECORDS = "exact figures of the owner's own records; not a release"


@dataclass(frozen=True)
class Findings:
    """Quality, calibration, scores by band, fairness, and the average subject (cell shares per feature).

    cell_shares  float64 [n_cells] per feature; empty where the release does not carry them
    noise_sd  noise standard deviation of one count per block of the release; empty for own records
    """

    source: str
    records: float
    metrics: dict[str, Estimate]
    calibration: tuple[CalibrationPoint, ...]
    bands: dict[str, Estimate]
    fairness: tuple[Fairness, ...]
    cell_shares: tuple[NDArray[np.float64], ...]
    noise_sd: dict[str, float]

    @classmethod
    def of_release(
        cls,
        tables: EvaluationTables,
        scaling: Scaling,
        cut_off: float | None = None,
        profiles: Mapping[str, Profile] | None = None,
    ) -> Findings:
        """From the release; `cut_off` is one of the release's coarse edges, the one nearest its centre by default."""
        at = _middle(tables.coarse) if cut_off is None else cut_off
        return cls(
            source=RELEASE,
            records=tables.records,
            metrics=tables.metrics,
            calibration=tables.calibration(),
            bands=tables.bands(scaling),
            fairness=tuple(fairness(tables, axis.name, at, profiles) for axis in tables.groups),
            cell_shares=tables.cell_shares(),
            noise_sd=tables.block_sd,
        )

    @classmethod
    def of_records(
        cls,
        catalogue: Catalogue,
        records: Encoded,
        logits: NDArray[np.float64],
        scaling: Scaling,
        cut_off: float | None = None,
    ) -> Findings:
        """Exact figures for log-odds of BAD; the default cut-off is that of a release. Raises RecordsError."""
        if records.target is None:
            raise RecordsError("target", got="records without outcomes", expected="an outcome for every record")
        target, scores = records.target, scaling.clamp(scaling.from_logits(logits))
        found = exact.evaluate(target, logits).to_json()
        at = _middle(EvaluationSpec.from_catalogue(catalogue, scaling).coarse) if cut_off is None else cut_off
        axes = [GroupAxis(item.name, item.groups) for item in catalogue.protected]
        return cls(
            source=RECORDS,
            records=float(len(records)),
            metrics={name: Estimate.exact(value) for name, value in found.items() if name != "records"},
            calibration=exact.calibration_curve(target, probability(logits)),
            bands=_band_shares(scores, scaling),
            fairness=tuple(
                exact_fairness(axis.name, axis.labels, axis.of(records).astype(np.uint8), target, scores, at)
                for axis in axes
            ),
            cell_shares=tuple(_shares(records.codes[:, i], f.n_cells) for i, f in enumerate(catalogue.features)),
            noise_sd={},
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "records": self.records,
            "metrics": {name: estimate.to_json() for name, estimate in self.metrics.items()},
            "calibration": [vars(point) for point in self.calibration],
            "bands": {name: estimate.to_json() for name, estimate in self.bands.items()},
            "fairness": [item.to_json() for item in self.fairness],
            "cell_shares": [shares.tolist() for shares in self.cell_shares],
            "noise_sd": dict(self.noise_sd),
        }


def _middle(axis: ScoreAxis) -> float:
    """The edge nearest to the centre of the bins, which lie around the base rate."""
    return axis.points[len(axis.points) // 2]


def _band_shares(scores: NDArray[np.float64], scaling: Scaling) -> dict[str, Estimate]:
    counts = np.bincount(scaling.band_index(scores), minlength=len(scaling.bands)) / scores.size
    return {band.name: Estimate.exact(float(count)) for band, count in zip(scaling.bands, counts, strict=True)}


def _shares(codes: NDArray[np.uint8], n_cells: int) -> NDArray[np.float64]:
    """Uniform where nobody holds the feature: its spread then says nothing, and it contributes nothing."""
    counts = np.bincount(codes, minlength=n_cells + 1)[:n_cells].astype(np.float64)
    return counts / counts.sum() if counts.sum() else np.full(n_cells, 1 / n_cells)
