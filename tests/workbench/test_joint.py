"""What the joint score is worth on the synthetic population, with a model trained on other persons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from federation.catalogue import load_catalogue
from federation.errors import RecordsError
from federation.evaluation import EvaluationSpec
from federation.evaluation.metrics import auc
from federation.lookup.joint_score import JointRule, JointScorecard
from federation.lookup.outcome import Freshness, Scored
from federation.lookup.record import Contribution, JointSum, contributions, quantise
from federation.records import Encoded, encode, validate
from federation.rounds.rule import logits_of
from federation.scorecard import Scorer
from federation.synthetic import Population, PopulationSpec
from protocols.lookup.parameters import MODULUS
from workbench.in_process import train_in_process
from workbench.joint import CountFigures, JointFigures, by_count, evaluate

CATALOGUE = load_catalogue("synthetic")
FRESHNESS = Freshness(epoch="ab" * 32, counter=1, as_of=1_700_000_000, closes_at=1_700_604_800, model="cd" * 32)
Members = dict[str, Encoded]


def members(persons: int, seed: int) -> Members:
    population = Population.draw(PopulationSpec(persons=persons), np.random.default_rng(seed))
    return {f"bank-{k}": encode(validate(population.table(k), CATALOGUE).good, CATALOGUE) for k in range(3)}


@pytest.fixture(scope="module")
def judged() -> Members:
    return members(24_000, seed=2)


@pytest.fixture(scope="module")
def card() -> JointScorecard:
    """Trained on 8,000 other persons, and calibrated on a release with noise over them."""
    seen = list(members(8_000, seed=1).values())
    trained = train_in_process(
        CATALOGUE, seen, [len(each) for each in seen], epsilon=4.0, delta=1e-6, seed=1, force=True
    )
    spec, sd = EvaluationSpec.from_catalogue(CATALOGUE), 12.0
    plan, vector = trained.plan, trained.model.vector
    total = np.sum([spec.counts(logits_of(CATALOGUE, plan, vector, each), each) for each in seen], axis=0)
    noisy = total + np.random.default_rng(3).normal(0, sd, total.shape)
    return JointScorecard.of(Scorer(trained.model, CATALOGUE), tables=spec.read(noisy, sd))


@pytest.fixture(scope="module")
def figures(judged: Members, card: JointScorecard) -> JointFigures:
    return evaluate(judged, card)


def test_asking_the_federation_beats_every_own_score(figures: JointFigures) -> None:
    assert figures.auc_own > 0.7
    assert figures.gain >= 0.03
    assert all(joint > own + 0.02 for own, joint in figures.by_institution.values())
    one, two, three = figures.by_count
    assert one.auc_joint == pytest.approx(one.auc_own, abs=1e-9)  # nobody else knows these persons
    assert min(two.auc_joint - two.auc_own, three.auc_joint - three.auc_own) > 0.02


def test_little_is_lost_to_rounding_summing_and_one_public_rule(figures: JointFigures) -> None:
    assert figures.share_of_gain >= 0.95
    assert recovered(figures, figures.auc_plaintext_members) > 0.85  # the sum hides which members these are
    assert recovered(figures, figures.auc_plaintext_features) > 0.75  # and here the model too is made without privacy


def recovered(figures: JointFigures, plaintext: float) -> float:
    return figures.gain / (plaintext - figures.auc_own)


def test_predicted_rates_are_observed_whatever_the_number_of_members(
    judged: Members, card: JointScorecard, figures: JointFigures
) -> None:
    assert card.calibrated
    assert worst(figures.by_count) < 0.05
    assert all(abs(group.predicted - group.observed) < 0.02 for group in figures.by_count)
    independent = replace(card, rule=replace(card.rule, correlation=0.0))
    assert worst(by_count(judged, independent)) > 0.1


def worst(groups: tuple[CountFigures, ...]) -> float:
    """The largest distance of a decile's predicted from its observed rate, less what its size explains (2 sd)."""
    found = 0.0
    for group in groups:
        persons = group.records / group.members / len(group.deciles)
        for predicted, observed in group.deciles:
            noise = 2 * np.sqrt(max(predicted * (1 - predicted), 1e-4) / persons)
            found = max(found, abs(predicted - observed) - noise)
    return found


def test_the_figures_are_of_the_scores_that_a_query_gives(
    judged: Members, card: JointScorecard, figures: JointFigures
) -> None:
    """One institution's AUC again, subject by subject through the values that cross the wire."""
    few = {name: records.take(np.arange(400)) for name, records in judged.items()}
    values = {name: quantise(*contributions(card.scorer, records)) for name, records in few.items()}
    rows = {name: {str(s): i for i, s in enumerate(r.subjects)} for name, r in few.items() if r.subjects is not None}
    own, parts = contributions(card.scorer, few["bank-0"])
    scores = []
    for subject, row in rows["bank-0"].items():
        total = sum(values[name][at[subject]].astype(np.int64) for name, at in rows.items() if subject in at)
        known = JointSum.read(np.asarray(total % MODULUS, dtype=np.uint32), members=3)
        known = known.with_own(values["bank-0"][row], Contribution(own[row], tuple(parts[row])))
        outcome = card.outcome(known, own=True, freshness=FRESHNESS)
        assert isinstance(outcome, Scored)
        scores.append(outcome.unclamped)
    target = few["bank-0"].target
    assert target is not None
    assert evaluate(few, card).by_institution["bank-0"][1] == pytest.approx(auc(target, -np.array(scores)), abs=1e-12)


def test_records_that_cannot_be_joined_are_refused(judged: Members, card: JointScorecard) -> None:
    few = {name: records.take(np.arange(300)) for name, records in judged.items()}
    bank = few["bank-0"]
    assert bank.target is not None
    wrong = {
        "no subjects": replace(bank, subjects=None),
        "a person twice": bank.take(np.zeros(300, dtype=np.int64)),
        "another outcome": replace(bank, target=1 - bank.target),
    }
    for got, records in wrong.items():
        with pytest.raises(RecordsError, match=got):
            evaluate({"bank-1": few["bank-1"], "bank-2": few["bank-2"], "bank-0": records}, card)


def test_the_rule_read_off_the_release_is_near_the_one_fitted_to_the_records(card: JointScorecard) -> None:
    assert JointRule().slope != card.rule.slope
    assert 0.7 < card.rule.slope < 1.3
    assert -0.2 < card.rule.centre < 0.2  # the recipe's last round has calibrated the model
