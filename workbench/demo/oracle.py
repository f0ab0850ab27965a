"""The demonstration's judge: exact figures on records that no institution was given.

A real federation has no such judge; it has the charged histogram of the model card. Both are shown, each by its name.
Baselines are trained here, without privacy, on the very files that the institutions were given. A row is scored without
its outcome, so one whose outcome is missing or broken has a score and cannot be judged: it is left out, and counted.
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
from federation.records import encode, load_records, read_table, validate
from federation.records.encoded import Encoded
from federation.records.report import Validated
from federation.rounds.rule import logits_of
from federation.scorecard.scaling import Scaling
from workbench.baselines import Logits, additive_logits, boosting_logits, outcomes
from workbench.demo.inputs import Inputs

_ROC_POINTS = 200
_SCORE_STEP = 10.0
_AGREE = 0.02  # log-odds; scores are written with two decimals


@dataclass(frozen=True)
class Judgement:
    """What the judge found: `models` on all its records, `per_institution` on those about that one's customers.

    left_out  rows that were scored and not judged, for want of a valid outcome
    """

    models: dict[str, Metrics]
    curves: dict[str, Logits]
    target: NDArray[np.uint8]
    scores: NDArray[np.float64]
    per_institution: dict[str, dict[str, Any]]
    findings: Findings
    left_out: int

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
    records about its customers; they must agree with the model, on rows with a valid outcome and on the others.

    Raises RecordsError where they do not, or a file cannot be read.
    """
    training = {given.name: load_records(given.records, catalogue)[0] for given in inputs.institutions}
    aside = {given.name: read_aside(given.oracle, catalogue) for given in inputs.institutions}
    oracle = {name: rows.records for name, rows in aside.items()}
    everything, everywhere = concatenate(list(training.values())), concatenate(list(oracle.values()))
    target = outcomes(everywhere)
    answers = {name: _federated(catalogue, model, rows.scored) for name, rows in aside.items()}
    scores = [_scores(scored[name], answers[name], name)[rows.judged] for name, rows in aside.items()]
    federated = {name: answers[name][rows.judged] for name, rows in aside.items()}
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
    left_out = sum(rows.left_out for rows in aside.values())
    return Judgement(models, curves, target, np.concatenate(scores), each, findings, left_out)


@dataclass(frozen=True)
class Aside:
    """The rows about one institution's customers that were kept from it.

    scored   every row that a node scores, in the file's order, without outcomes
    judged   bool [len(scored)]: whose outcome is valid
    records  those, with their outcomes
    """

    scored: Encoded
    judged: NDArray[np.bool_]
    records: Encoded

    @property
    def left_out(self) -> int:
        return int((~self.judged).sum())


def read_aside(path: Path, catalogue: Catalogue) -> Aside:
    """Raises RecordsError for a file that cannot be used."""
    table = read_table(path)
    scored = validate(table, catalogue, require_target=False)
    complete = validate(table, catalogue)
    # Of one subject's rows the first good one counts; which that is may depend on the outcome, so rows decide.
    rows, known = _rows(scored), _rows(complete)
    records = encode(complete.good, catalogue).take(np.isin(known, rows))
    return Aside(encode(scored.good, catalogue), np.isin(rows, known), records)


def _rows(checked: Validated) -> NDArray[np.int64]:
    """Which rows of the file are good, from 1."""
    return np.setdiff1d(np.arange(1, checked.report.rows_read + 1), checked.quarantine["row"].to_numpy())


def concatenate(parts: Sequence[Encoded]) -> Encoded:
    """One table of several: codes, outcomes, protected groups."""
    return Encoded(
        codes=np.concatenate([part.codes for part in parts]),
        target=np.concatenate([outcomes(part) for part in parts]),
        protected={name: np.concatenate([part.protected[name] for part in parts]) for name in parts[0].protected},
    )


def _federated(catalogue: Catalogue, model: PublishedModel, records: Encoded) -> Logits:
    return logits_of(catalogue, model.plan, model.vector, records)


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
