"""Two vintages under one model, and two models on one vintage: what changed, with errors, and whether it is chance.

report = drift(reference, current)            Drift: .scores .features (stability indices)  .performance  .alerts
result = contest(champion, challenger)        Contest: the differences of the metrics, and who is measurably better
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scipy.stats import norm

from federation.errors import ConfigurationError
from federation.evaluation import Estimate, EvaluationTables, Findings
from federation.evaluation.fairness import Fairness
from federation.monitoring.release import Vintage
from federation.monitoring.stability import ALERT, LEVEL, NOTICE, Stability, Verdict, judged, stability
from federation.scorecard.scaling import Scaling

SCORES = "scores"
GUARDED = {"auc": 0.02, "ece": 0.01}
"""How much worse a metric may become, in its own units, before it is an alert."""
_BETTER = {"auc": 1.0, "ece": -1.0}


@dataclass(frozen=True)
class Change:
    """One metric, before and after. `p`: chance of as large a difference, two-sided normal; None: not both known."""

    before: Estimate
    after: Estimate
    value: float | None
    se: float | None
    p: float | None
    alert: bool = False

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "before": self.before.to_json(), "after": self.after.to_json()}


@dataclass(frozen=True)
class Drift:
    """`features` by name; `performance` by metric, `before` and `after` (calibration, fairness by group with minimum
    cells): empty and None unless the outcomes of both vintages are known."""

    scores: Stability
    features: Mapping[str, Stability]
    performance: Mapping[str, Change]
    reference: Vintage
    current: Vintage
    before: Findings | None = None
    after: Findings | None = None

    @property
    def alerts(self) -> tuple[str, ...]:
        """What somebody must look at: scores that nothing can be said of, then the worst indices first."""
        indices = {SCORES: self.scores, **self.features}
        loud = [(index.value or 0.0, name) for name, index in indices.items() if index.verdict is Verdict.ALERT]
        blind = self.scores.verdict is Verdict.WITHHELD
        return (
            *((f"{SCORES}: cannot be compared, {self.scores.note}",) if blind else ()),
            *(f"{name}: stability index {value:.2f}" for value, name in sorted(loud, reverse=True)),
            *(f"{name}: changed by {change.value:+.3f}" for name, change in self.performance.items() if change.alert),
            *self._unfair(),
        )

    def _unfair(self) -> Iterator[str]:
        """Profiles that are broken now beyond doubt, and were not before."""
        if self.before is None or self.after is None:
            return
        known = set(_broken(self.before.fairness))
        for attribute, profile in _broken(self.after.fairness):
            if (attribute, profile) not in known:
                yield f"{attribute}: {profile} holds no more"

    def to_json(self) -> dict[str, Any]:
        return {
            "reference": self.reference.name,
            "current": self.current.name,
            "model": self.current.model,
            "institutions": list(self.current.institutions),
            "scores": self.scores.to_json(),
            "features": {name: index.to_json() for name, index in self.features.items()},
            "performance": {name: change.to_json() for name, change in self.performance.items()},
            "fairness": None if self.after is None else [each.to_json() for each in self.after.fairness],
            "calibration": None if self.after is None else [vars(point) for point in self.after.calibration],
            "alerts": list(self.alerts),
        }


def _broken(attributes: Sequence[Fairness]) -> Iterator[tuple[str, str]]:
    for found in attributes:
        for comparison in found.comparisons:
            if comparison.holds is False and not comparison.uncertain:
                yield found.attribute, comparison.title


def drift(reference: Vintage, current: Vintage, *, notice: float = NOTICE, alert: float = ALERT) -> Drift:
    """Raises ConfigurationError for vintages under two models, or one vintage twice."""
    if reference.model != current.model:
        got = f"{reference.model[:16]} and {current.model[:16]}"
        raise ConfigurationError("drift.model", got=got, expected="two vintages under one model")
    if reference.name == current.name:
        raise ConfigurationError("drift.vintage", got=f"{current.name} twice", expected="two vintages")
    pairs = {SCORES: (reference.marginals.scores, current.marginals.scores)}
    held = current.marginals.features
    pairs |= {name: (before, held[name]) for name, before in reference.marginals.features.items()}
    indices = {name: stability(*pair, seed=place) for place, (name, pair) in enumerate(pairs.items())}
    found = judged(indices, notice=notice, alert=alert)
    if reference.tables is None or current.tables is None:
        return Drift(found.pop(SCORES), found, {}, reference, current)
    seen = (Findings.of_release(vintage.tables, Scaling()) for vintage in (reference, current) if vintage.tables)
    return Drift(found.pop(SCORES), found, _changes(reference.tables, current.tables), reference, current, *seen)


class Better(StrEnum):
    CHAMPION = "champion"
    CHALLENGER = "challenger"
    NEITHER = "no measurable difference"


@dataclass(frozen=True)
class Contest:
    """`changes` from champion to challenger, by metric; `better` by AUC."""

    changes: Mapping[str, Change]
    better: Better
    champion: Vintage
    challenger: Vintage

    def to_json(self) -> dict[str, Any]:
        return {
            "vintage": self.champion.name,
            "champion": self.champion.model,
            "challenger": self.challenger.model,
            "better": str(self.better),
            "metrics": {name: change.to_json() for name, change in self.changes.items()},
        }


def contest(champion: Vintage, challenger: Vintage) -> Contest:
    """Two models on the records of one vintage.

    The standard error of a difference takes both figures for independent. Their noise is; the records are the same, so
    sampling errors go the same way and the stated error is too large rather than too small. Raises ConfigurationError
    unless both are of one vintage, with outcomes, under different models.
    """
    if champion.tables is None or challenger.tables is None:
        raise ConfigurationError("contest", got="a vintage without outcomes", expected="outcomes of every record")
    if (champion.name, champion.institutions) != (challenger.name, challenger.institutions):
        got = f"{champion.name} and {challenger.name}"
        raise ConfigurationError("contest.vintage", got=got, expected="one vintage of the same institutions")
    if champion.model == challenger.model:
        raise ConfigurationError("contest.model", got=f"{champion.model[:16]} twice", expected="two models")
    changes = _changes(champion.tables, challenger.tables)
    auc, better = changes["auc"], Better.NEITHER
    if auc.p is not None and auc.value is not None and auc.p <= LEVEL:
        better = Better.CHALLENGER if auc.value > 0 else Better.CHAMPION
    return Contest(changes, better, champion, challenger)


def _changes(before: EvaluationTables, after: EvaluationTables) -> dict[str, Change]:
    return {name: _change(name, figure, after.metrics[name]) for name, figure in before.metrics.items()}


def _change(name: str, before: Estimate, after: Estimate) -> Change:
    if before.value is None or after.value is None or before.se is None or after.se is None:
        return Change(before, after, None, None, None)
    value, se = after.value - before.value, math.hypot(before.se, after.se)
    p = float(2 * norm.sf(abs(value) / se)) if se > 0 else float(value == 0)
    worse = name in GUARDED and -value * _BETTER[name] >= GUARDED[name]
    return Change(before, after, value, se, p, alert=worse and p * len(GUARDED) <= LEVEL)
