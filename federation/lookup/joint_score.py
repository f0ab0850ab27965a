"""The rule that turns the members' sum into one calibrated score, the same for whoever applies it.

    card = JointScorecard.of(scorer, settings.correlation, tables)      # tables: the federation's charged evaluation
    card.outcome(known, own=True, freshness=freshness)                  # Scored, ThinFile or NoHit

    log-odds of BAD = prior + slope (E - n centre) / (1 + correlation (n - 1))

E is the evidence of n members, summed. What two members know of one person is not independent: taken at face value the
sum would count the person's character n times. If each member's evidence is the person's own part plus noise of its
own, and `correlation` is the correlation of two members' evidence about one person, the best linear estimate from n
members is the sum shrunk as above (Winkler, Combining Probability Distributions from Dependent Information Sources,
Management Science 27(4), 1981, for equally good, equally correlated sources; in psychometrics: Spearman-Brown).
Slope and centre correct what the model itself gets wrong, and are read off the charged evaluation: no further release.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.lookup.outcome import MAX_REASONS, Freshness, NoHit, Outcome, Reason, Scored, ThinFile
from federation.lookup.record import DIMENSIONS, JointSum, prior
from federation.scorecard.card import AVERAGE, NEUTRAL
from federation.scorecard.reasons import LEAST_POINTS

if TYPE_CHECKING:
    from federation.evaluation.tables import EvaluationTables
    from federation.scorecard import Scorer

CORRELATION = 0.5
"""What two members' evidence about one person correlated by in the synthetic population: .50 to .52 (three members)."""
_SLOPES = (0.25, 4.0)
_CENTRE = 4.0
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class JointRule:
    """Public numbers; whoever has the same ones computes the same score. Raises ConfigurationError.

    correlation  of two members' evidence about one person, 0 (independent) to 1 (all say the same)
    slope        by how much one member's evidence must be stretched to be calibrated, 0.25 to 4
    centre       log-odds by which one member's evidence is too high, within 4; negative: the model sees too few bads
    """

    correlation: float = CORRELATION
    slope: float = 1.0
    centre: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (("correlation", 0.0, 1.0), ("slope", *_SLOPES), ("centre", -_CENTRE, _CENTRE)):
            if not low <= getattr(self, name) <= high:
                raise ConfigurationError(f"joint rule.{name}", got=getattr(self, name), expected=f"{low:g} to {high:g}")

    def weight(self, count: ArrayLike) -> NDArray[np.float64]:
        """What one unit of summed evidence counts for, from n >= 1 members."""
        return np.asarray(self.slope / (1 + self.correlation * (np.asarray(count, dtype=np.float64) - 1)))

    def shift(self, evidence: ArrayLike, count: ArrayLike) -> NDArray[np.float64]:
        """Log-odds of BAD that n >= 1 members' summed evidence adds to the prior."""
        centred = np.asarray(evidence, dtype=np.float64) - self.centre * np.asarray(count, dtype=np.float64)
        return np.asarray(self.weight(count) * centred)

    def calibrated(self, tables: EvaluationTables, catalogue: Catalogue) -> JointRule | None:
        """This rule with slope and centre by logistic regression on the released histogram of scores and outcomes.

        The histogram is already paid for. None where it rests on too few records, or gives numbers no rule may have.
        """
        if tables.too_few:
            return None
        found = _logistic(tables.scores.middles - prior(catalogue), tables.score_counts)
        if found is None:
            return None
        intercept, slope = found[0] - prior(catalogue), found[1]
        if not _SLOPES[0] <= slope <= _SLOPES[1] or abs(intercept / slope) > _CENTRE:
            return None
        return replace(self, slope=slope, centre=-intercept / slope)


def _logistic(x: NDArray[np.float64], counts: NDArray[np.float64]) -> tuple[float, float] | None:
    """Intercept and slope of the log-odds of bads on x [bins], from goods and bads [bins, 2], by Newton's method."""
    design, total = np.column_stack([np.ones_like(x), x]), counts.sum(axis=1)
    bads = counts[:, 1]
    rate = float(bads.sum() / total.sum())
    solution = np.array([math.log(rate / (1 - rate)) - float(total @ x / total.sum()), 1.0])
    for _ in range(_NEWTON_STEPS):
        expected = 1 / (1 + np.exp(-np.clip(design @ solution, -50, 50)))
        information = design.T @ (design * (total * expected * (1 - expected))[:, None])
        if not np.linalg.cond(information) < 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (bads - total * expected))
        solution = solution + step
        if np.abs(step).max() < 1e-9:
            return float(solution[0]), float(solution[1])
    return None


@dataclass(frozen=True)
class JointScorecard:
    """Scores of joint sums under one published model.

    average     the average subject's parts at one member, log-odds [5]; None: reasons start from the neutral point
    calibrated  whether slope and centre come from the federation's evaluation
    """

    scorer: Scorer
    rule: JointRule
    average: NDArray[np.float64] | None = None
    calibrated: bool = False

    @classmethod
    def of(
        cls, scorer: Scorer, correlation: float = CORRELATION, tables: EvaluationTables | None = None
    ) -> JointScorecard:
        """With what the evaluation of this very model says, where there is one. Raises ConfigurationError."""
        rule = JointRule(correlation)
        if tables is None:
            return cls(scorer, rule)
        found = rule.calibrated(tables, scorer.catalogue)
        return cls(scorer, found or rule, _average(scorer, tables), found is not None)

    def outcome(self, known: JointSum, *, own: bool, freshness: Freshness) -> Outcome:
        """What n members know, as a typed outcome; `own`: the querier's record of today is in it."""
        if not known.count:
            return NoHit(freshness)
        if known.says_nothing:
            return ThinFile(known.count, own, freshness)
        scaling = self.scorer.scaling
        log_odds = prior(self.scorer.catalogue) + float(self.rule.shift(known.evidence, known.count))
        unclamped = float(scaling.from_logits(log_odds))
        score = float(scaling.clamp(unclamped))
        return Scored(
            score=score,
            unclamped=unclamped,
            band=scaling.band_of(score).name,
            parts=self._parts(known, unclamped),
            reasons=self._reasons(known),
            members=known.count,
            own=own,
            freshness=freshness,
            reference=NEUTRAL if self.average is None else AVERAGE,
            calibrated=self.calibrated,
        )

    def _parts(self, known: JointSum, unclamped: float) -> dict[str, float] | None:
        """Points per dimension. What no part explains (offset, base rate, centre, rounding) goes by the weights."""
        if self.scorer.card is None:
            return None
        catalogue = self.scorer.catalogue
        weights = np.array([catalogue.dimension_weights.get(dimension, 0.0) for dimension in DIMENSIONS])
        points = -self._cost(known)
        points += (unclamped - points.sum()) * weights / weights.sum()
        return {dimension.value: float(value) for dimension, value in zip(DIMENSIONS, points, strict=True)}

    def _cost(self, known: JointSum) -> NDArray[np.float64]:
        """Points that each dimension costs against the neutral point, float64 [5]."""
        return np.asarray(self.scorer.scaling.factor * self.rule.weight(known.count) * np.array(known.parts))

    def _reasons(self, known: JointSum) -> tuple[Reason, ...]:
        if self.scorer.card is None:
            return ()
        lost = self._cost(known)
        if self.average is not None:
            lost = lost - self.scorer.scaling.factor * self.rule.weight(known.count) * known.count * self.average
        heaviest = [i for i in np.argsort(-lost, kind="stable")[:MAX_REASONS] if lost[i] >= LEAST_POINTS]
        features = self.scorer.catalogue.features
        return tuple(
            Reason(
                DIMENSIONS[i].value,
                float(lost[i]),
                tuple(dict.fromkeys(feature.reason for feature in features if feature.dimension == DIMENSIONS[i])),
            )
            for i in heaviest
        )


def _average(scorer: Scorer, tables: EvaluationTables) -> NDArray[np.float64] | None:
    """The average subject's parts, from the released shares of the cells."""
    shares = tables.cell_shares()
    if scorer.card is None or not shares:
        return None
    average = np.zeros(len(DIMENSIONS))
    for feature, points, share in zip(scorer.catalogue.features, scorer.card.points, shares, strict=True):
        average[DIMENSIONS.index(feature.dimension)] -= float(points @ share) / scorer.scaling.factor
    return average
