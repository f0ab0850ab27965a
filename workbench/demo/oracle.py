"""The demonstration's judge: exact figures on records that no institution was given.

A real federation has no such judge; it has the charged histogram of the model card. Both are shown, each by its name.
Baselines are trained here, without privacy, on the very files that the institutions were given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.evaluation.findings import Findings
from federation.evaluation.metrics import Metrics, auc, calibration_curve, evaluate, roc
from federation.models import PublishedModel
from federation.records import load_records
from federation.records.encoded import Encoded
from federation.scorecard.scaling import Scaling
from federation.training import logits
from workbench.baselines import Logits, additive_logits, boosting_logits, outcomes
from workbench.demo.inputs import Inputs

_ROC_POINTS = 200
_SCORE_STEP = 10.0
_AGREE = 0.02  # log-odds; scores are written with two decimals


@dataclass(frozen=True)
class Judgement:
    """What the judge found: `models` on all its records, `per_institution` on those about that one's customers."""

    models: dict[str, Metrics]
    curves: dict[str, Logits]
    target: NDArray[np.uint8]
    scores: NDArray[np.float64]
    per_institution: dict[str, dict[str, Any]]
    findings: Findings

    def evidence(self, scaling: Scaling) -> dict[str, Any]:
        """Curves and histograms for the report, as plain numbers."""
        shown = ("federated", "alone_best", "central_boosting")
        return {
            "roc": {name: _roc(self.target, self.curves[name]) for name in shown},
            "calibration": {name: _calibration(self.target, self.curves[name]) for name in shown},
            "scores": _histogram(self.scores, self.target, scaling),
            "bands": _bands(self.scores, self.target, scaling),
            "fairness": _fairness(self.findings),
        }


def judge(
    inputs: Inputs,
    catalogue: Catalogue,
    model: PublishedModel,
    scored: Mapping[str, Path],
    *,
    done: Callable[[str], None] = lambda step: None,
) -> Judgement:
    """Figures of `model` and its baselines. `scored` {institution: file} holds the scores its node gave to the judge's
    records about its customers; they must agree with the model.

    Raises RecordsError where they do not, or a file cannot be read.
    """
    training, oracle = _read(inputs, catalogue)
    everything, everywhere = concatenate(list(training.values())), concatenate(list(oracle.values()))
    target = outcomes(everywhere)
    federated = {name: _federated(catalogue, model, records) for name, records in oracle.items()}
    scores = [_scores(scored[name], federated[name], name) for name in oracle]
    done("scores checked")
    alone = {}
    for name, records in training.items():
        alone[name] = additive_logits(catalogue, records, everywhere)
        done(f"{name} alone")
    best = max(alone, key=lambda name: auc(target, alone[name]))
    curves = {"federated": np.concatenate(list(federated.values())), "alone_best": alone[best]}
    curves["central_additive"] = additive_logits(catalogue, everything, everywhere)
    done("everything in one place, additive")
    curves["central_boosting"] = boosting_logits(catalogue, everything, everywhere)
    done("everything in one place, boosting")
    models = {name: evaluate(target, curve) for name, curve in curves.items()}
    models["alone_mean"] = _mean([evaluate(target, curve) for curve in alone.values()])
    each = _per_institution(training, oracle, federated, alone)
    findings = Findings.of_records(catalogue, everywhere, curves["federated"], Scaling())
    return Judgement(models, curves, target, np.concatenate(scores), each, findings)


def concatenate(parts: Sequence[Encoded]) -> Encoded:
    """One table of several: codes, outcomes, protected groups."""
    return Encoded(
        codes=np.concatenate([part.codes for part in parts]),
        target=np.concatenate([outcomes(part) for part in parts]),
        protected={name: np.concatenate([part.protected[name] for part in parts]) for name in parts[0].protected},
    )


def _read(inputs: Inputs, catalogue: Catalogue) -> tuple[dict[str, Encoded], dict[str, Encoded]]:
    training = {given.name: load_records(given.records, catalogue)[0] for given in inputs.institutions}
    oracle = {given.name: load_records(given.oracle, catalogue)[0] for given in inputs.institutions}
    return training, oracle


def _federated(catalogue: Catalogue, model: PublishedModel, records: Encoded) -> Logits:
    return logits(catalogue, model.plan.recipe, model.vector, records.codes)


def _scores(file: Path, expected: Logits, name: str) -> NDArray[np.float64]:
    """The scores in `file` (NaN for a thin file). Raises RecordsError unless they are the model's."""
    table = pl.read_parquet(file)
    unclamped = table["unclamped"].to_numpy().astype(np.float64)
    if len(unclamped) != len(expected):
        raise RecordsError(f"scores of {name}", got=f"{len(unclamped)} rows", expected=f"{len(expected)}")
    apart = np.abs(Scaling().to_logits(unclamped) - expected)
    if np.nanmax(apart, initial=0.0) > _AGREE:
        raise RecordsError(f"scores of {name}", got=f"{np.nanmax(apart):.4f} log-odds apart", expected="the model's")
    return table["score"].to_numpy().astype(np.float64)


def _per_institution(
    training: Mapping[str, Encoded],
    oracle: Mapping[str, Encoded],
    federated: Mapping[str, Logits],
    alone: Mapping[str, Logits],
) -> dict[str, dict[str, Any]]:
    found, start = {}, 0
    for name, records in oracle.items():
        stop = start + len(records)
        target = outcomes(records)
        found[name] = {
            "records": len(training[name]),
            "default_rate": float(outcomes(training[name]).mean()),
            "auc_federated": auc(target, federated[name]),
            "auc_alone": auc(target, alone[name][start:stop]),
        }
        start = stop
    return found


def _fairness(findings: Findings) -> dict[str, Any] | None:
    """The share of each protected group that scores at or above the cut-off; None without protected attributes."""
    groups = [
        [report.attribute, group.group, group.approval_rate.value]
        for report in findings.fairness
        for group in report.groups
        if group.approval_rate.value is not None
    ]
    if not groups:
        return None
    return {"groups": groups, "cut_off": findings.fairness[0].cut_off}


def _mean(figures: Sequence[Metrics]) -> Metrics:
    names = ("auc", "ks", "gini", "brier", "ece")
    means = {name: float(np.mean([getattr(figure, name) for figure in figures])) for name in names}
    return Metrics(**means, records=figures[0].records, bad_rate=figures[0].bad_rate)


def _roc(target: NDArray[np.uint8], curve: Logits) -> list[list[float]]:
    x, y = roc(target, curve)
    keep = np.unique(np.linspace(0, len(x) - 1, _ROC_POINTS).astype(int))
    return [[round(float(a), 4), round(float(b), 4)] for a, b in zip(x[keep], y[keep], strict=True)]


def _calibration(target: NDArray[np.uint8], curve: Logits) -> list[list[float]]:
    points = calibration_curve(target, np.asarray(1 / (1 + np.exp(-curve))))
    return [[round(point.predicted, 4), round(point.observed, 4)] for point in points]


def _histogram(scores: NDArray[np.float64], target: NDArray[np.uint8], scaling: Scaling) -> dict[str, Any]:
    edges = np.arange(scaling.minimum, scaling.maximum + _SCORE_STEP, _SCORE_STEP)
    goods, bads = (np.histogram(scores[(target == outcome) & ~np.isnan(scores)], edges)[0] for outcome in (0, 1))
    return {
        "edges": edges.tolist(),
        "goods": goods.tolist(),
        "bads": bads.tolist(),
        "cuts": scaling.cuts.tolist(),
    }


def _bands(scores: NDArray[np.float64], target: NDArray[np.uint8], scaling: Scaling) -> dict[str, Any]:
    index = scaling.band_index(scores)
    counts = [int((index == i).sum()) for i in range(len(scaling.bands))]
    bads = [int(target[index == i].sum()) for i in range(len(scaling.bands))]
    return {
        "names": [f"{band.name}\n{band.low:.0f}–{band.high:.0f}" for band in scaling.bands],
        "shares": [count / max(sum(counts), 1) for count in counts],
        "rates": [bad / count if count else 0.0 for bad, count in zip(bads, counts, strict=True)],
    }
