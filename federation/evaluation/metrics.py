"""Exact metrics, for an owner's own data. What leaves an institution comes from `EvaluationSpec` instead.

>>> metrics = evaluate(np.array([0, 0, 1, 1]), np.array([-2.0, 0.1, 0.0, 2.0]))
>>> metrics.auc, metrics.ks, metrics.gini
(0.75, 0.5, 0.5)

Everywhere: target 1 = bad, and a higher risk (logit or probability of BAD) is worse. AUC and KS are of the ranking;
Gini = 2 AUC - 1; Brier is the mean squared error of the probability (Brier, 1950); ECE is the mean distance between
predicted and observed rate over ten bins of equally many records, weighted by size (Naeini et al., 2015).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import RecordsError
from federation.evaluation.probability import probability

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class CalibrationPoint:
    """One bin: mean predicted and observed rate of BAD over `records`; the observed rate's standard error."""

    predicted: float
    observed: float
    records: float
    se: float = 0.0


@dataclass(frozen=True)
class Metrics:
    """Figures of one model on one data set; `records` and `bad_rate` say on what."""

    auc: float
    ks: float
    gini: float
    brier: float
    ece: float
    records: int
    bad_rate: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(target: NDArray[np.uint8] | NDArray[np.int64], logits: NDArray[np.float64]) -> Metrics:
    """All metrics of log-odds of BAD. Raises RecordsError without both outcomes, or for logits that are not finite."""
    _check(target, logits)
    predicted = probability(logits)
    area = auc(target, logits)
    return Metrics(
        auc=area,
        ks=ks(target, logits),
        gini=2 * area - 1,
        brier=brier(target, predicted),
        ece=ece(target, predicted),
        records=int(target.size),
        bad_rate=float(target.mean()),
    )


def auc(target: NDArray[Any], risk: NDArray[np.float64]) -> float:
    """Probability that a bad ranks above a good, ties one half."""
    from sklearn.metrics import roc_auc_score  # half a second that a coordinator's commands save

    return float(roc_auc_score(target, risk))


def roc(target: NDArray[Any], risk: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(false positive rate, true positive rate) at every threshold that matters, for plots."""
    from sklearn.metrics import roc_curve

    false_positive, true_positive, _ = roc_curve(target, risk)
    return false_positive, true_positive


def ks(target: NDArray[Any], risk: NDArray[np.float64]) -> float:
    """Largest distance between the cumulative distributions of goods and bads (Kolmogorov and Smirnov)."""
    false_positive, true_positive = roc(target, risk)
    return float(np.max(np.abs(true_positive - false_positive)))


def brier(target: NDArray[Any], predicted: NDArray[np.float64]) -> float:
    """Mean squared error of the predicted probability of BAD."""
    from sklearn.metrics import brier_score_loss

    return float(brier_score_loss(target, predicted))


def ece(target: NDArray[Any], predicted: NDArray[np.float64], bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error of probabilities of BAD over `bins` of equal size."""
    curve = calibration_curve(target, predicted, bins)
    return sum(point.records * abs(point.predicted - point.observed) for point in curve) / target.size


def calibration_curve(
    target: NDArray[Any], predicted: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> tuple[CalibrationPoint, ...]:
    """At most `bins` points of (nearly) equally many records, by rising probability."""
    order = np.argsort(predicted, kind="stable")
    return tuple(_point(target[chunk], predicted[chunk]) for chunk in np.array_split(order, bins) if chunk.size)


def _point(target: NDArray[Any], predicted: NDArray[np.float64]) -> CalibrationPoint:
    observed = float(target.mean())
    spread = float(np.sqrt(observed * (1 - observed) / target.size))
    return CalibrationPoint(float(predicted.mean()), observed, float(target.size), spread)


def _check(target: NDArray[Any], logits: NDArray[np.float64]) -> None:
    if target.shape != logits.shape or target.ndim != 1:
        raise RecordsError("logits", got=f"shape {logits.shape}", expected=f"one per record, {target.shape}")
    if not np.isfinite(logits).all():
        raise RecordsError("logits", got="a number that is not finite", expected="finite log-odds")
    if set(np.unique(target).tolist()) != {0, 1}:
        raise RecordsError("target", got="one outcome only, or other values than 0 and 1", expected="goods and bads")
