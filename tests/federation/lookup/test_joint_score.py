"""The rule against arithmetic done the long way, its settings, and the closed list of purposes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores_world import CATALOGUE, published_model, world

from federation.errors import ConfigurationError
from federation.evaluation import EvaluationSpec
from federation.lookup.joint_score import JointRule, JointScorecard
from federation.lookup.outcome import Freshness, NoHit, Scored, ThinFile
from federation.lookup.record import JointSum
from federation.lookup.settings import ScoringSettings, check_purpose, check_purposes, purposes_of
from federation.scorecard import Scaling, Scorer
from federation.training import logits
from protocols.errors import MessageError
from protocols.lookup.parameters import Parameters

MODEL = published_model()
FRESH = Freshness(epoch="ab" * 32, counter=3, as_of=1_700_000_000, closes_at=1_700_604_800, model="cd" * 32)
CARD = JointScorecard(Scorer(MODEL, CATALOGUE), JointRule(0.5, 0.9, -0.6))
sums = st.builds(
    lambda count, parts: JointSum(count, sum(parts) * count, tuple(part * count for part in parts)),
    st.integers(1, 9),
    st.lists(st.floats(-3, 3), min_size=5, max_size=5),
)


def test_correlated_sources_combine_as_the_best_linear_estimate() -> None:
    """Latent w, signals w + noise: the sum shrunk by the rule estimates w better than any other correlation would."""
    rng = np.random.default_rng(1)
    worth, sd = rng.standard_normal(40_000), 1.0  # correlation of two signals: 1 / (1 + sd^2) = 0.5
    for n in (1, 2, 5):
        signals = worth[:, None] + sd * rng.standard_normal((len(worth), n))
        evidence = (signals / (1 + sd**2)).sum(axis=1)  # each alone is the best estimate from one
        errors = {r: np.mean((JointRule(r).shift(evidence, n) - worth) ** 2) for r in (0.0, 0.25, 0.5, 0.75, 1.0)}
        assert errors[0.5] == min(errors.values())


@settings(max_examples=50, deadline=None)
@given(sums)
def test_score_band_and_parts_are_the_rules(known: JointSum) -> None:
    outcome = CARD.outcome(known, own=False, freshness=FRESH)
    if known.says_nothing:
        assert isinstance(outcome, ThinFile)
        return
    assert isinstance(outcome, Scored)
    shift = 0.9 * (known.evidence + 0.6 * known.count) / (1 + 0.5 * (known.count - 1))
    odds = math.exp(-(math.log(1 / 9) + shift))
    assert outcome.unclamped == pytest.approx(600 + 40 * math.log2(odds / 5))
    assert outcome.score == min(max(outcome.unclamped, 350), 950)
    assert outcome.band == Scaling().band_of(outcome.score).name
    assert outcome.parts is not None
    assert sum(outcome.parts.values()) == pytest.approx(outcome.unclamped)
    assert len(outcome.reasons) <= 4
    costs = {reason.dimension: reason.points for reason in outcome.reasons}
    for dimension, part in zip(outcome.parts, known.parts, strict=True):
        points = 40 / math.log(2) * 0.9 * part / (1 + 0.5 * (known.count - 1))
        assert costs.get(dimension, points) == pytest.approx(points)
        assert points > 1 or dimension not in costs


def test_agreement_of_more_members_moves_the_score_further_but_never_in_proportion() -> None:
    rule = JointRule()
    shifts = [float(rule.shift(n * 1.0, n)) for n in (1, 2, 3, 10)]
    assert shifts == sorted(shifts)
    assert shifts[0] == 1.0
    assert shifts[-1] < 2.0


def test_nobody_and_nothing_are_no_scores() -> None:
    nothing = (0.0,) * 5
    assert CARD.outcome(JointSum(0, 0.0, nothing), own=False, freshness=FRESH) == NoHit(FRESH)
    assert CARD.outcome(JointSum(2, 0.0, nothing), own=True, freshness=FRESH) == ThinFile(2, True, FRESH)


def test_calibration_and_average_are_read_off_the_release() -> None:
    """Outcomes drawn from the model's own log-odds, moved and stretched: the release tells by how much."""
    records, _ = world(5, 30_000)
    found = logits(CATALOGUE, MODEL.plan.recipe, MODEL.vector, records.codes)
    true = math.log(1 / 9) + 0.8 * (found - math.log(1 / 9)) + 0.5
    target = (np.random.default_rng(2).random(len(found)) < 1 / (1 + np.exp(-true))).astype(np.uint8)
    records = type(records)(records.codes, target, records.protected)
    spec, sd = EvaluationSpec.from_catalogue(CATALOGUE), 10.0
    counts = spec.counts(found, records)
    card = JointScorecard.of(
        CARD.scorer, tables=spec.read(counts + np.random.default_rng(4).normal(0, sd, counts.shape), sd)
    )
    assert card.calibrated
    flattened = (
        1 - np.diff(spec.read(counts, sd).scores.logits)[0] ** 2 / 12 / found.var()
    )  # bins as wide as the spread
    assert card.rule.slope == pytest.approx(0.8 * flattened, abs=0.05)
    assert card.rule.slope * -card.rule.centre == pytest.approx(0.5, abs=0.08)
    assert card.average is not None
    drowned = JointScorecard.of(CARD.scorer, tables=spec.read(counts, 1e6))
    assert (drowned.calibrated, drowned.rule, drowned.average) == (False, JointRule(), None)


@pytest.mark.parametrize("wrong", [{"correlation": 1.1}, {"correlation": math.nan}, {"slope": 0.0}, {"centre": 9.0}])
def test_rules_that_cannot_hold_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        JointRule(**wrong)


def test_settings_travel_in_the_signed_parameters() -> None:
    stated = ScoringSettings(0.4, Scaling(pdo=20.0))
    parameters = Parameters.from_json(Parameters(engine="lwe", scoring=stated.encode()).to_json())
    assert ScoringSettings.of(parameters) == stated
    assert ScoringSettings.of(Parameters(engine="lwe")) == ScoringSettings()
    with pytest.raises(MessageError):
        Parameters(engine="lwe", scoring="x" * 9000)
    for text in ("{}", "no json", stated.encode().replace("0.4", "4"), stated.encode().replace("0.4", '"4"')):
        with pytest.raises(ConfigurationError):
            ScoringSettings.decode(text)


def test_purposes_are_a_closed_list() -> None:
    known = purposes_of(CATALOGUE)
    assert "credit-application" in known
    assert check_purpose("credit-application", CATALOGUE, ("credit-application",)) == "credit-application"
    check_purposes(known, CATALOGUE)
    refusals: list[Any] = [("marketing", known), ("marketing", ("marketing",)), ("credit-review", known[:1])]
    for purpose, admitted in refusals:
        with pytest.raises(ConfigurationError):
            check_purpose(purpose, CATALOGUE, admitted)
    for stated in ((), ("credit-application", "employment")):
        with pytest.raises(ConfigurationError):
            check_purposes(stated, CATALOGUE)
