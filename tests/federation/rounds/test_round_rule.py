"""Rules of sums: which federations they are for, and what a total may be."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from masked_world import TRIO, masked_plan
from rounds_world import catalogue, evaluation_size, make_plan, member

from federation.catalogue import load_catalogue
from federation.errors import ConfigurationError
from federation.privacy import SharedNoise
from federation.rounds.evaluation_forms import EvaluationForms
from federation.rounds.rule import Summing, rule_of
from federation.training.sums import SumRecipe

HUGE = tuple(member(name, 2**29) for name in TRIO)  # a record moves a sum by up to 2^31: 2^63 and more together


def test_a_federation_whose_masked_sums_could_wrap_around_has_no_rule() -> None:
    assert isinstance(rule_of(catalogue(), masked_plan()), Summing)
    with pytest.raises(ConfigurationError, match=r"nominal_records: got sums up to 2\^6\d"):
        rule_of(catalogue(), masked_plan(members=HUGE))
    EvaluationForms(masked_plan(), evaluation_size())
    with pytest.raises(ConfigurationError, match="nominal_records"):
        EvaluationForms(masked_plan(members=HUGE), evaluation_size())


@pytest.mark.parametrize("method", ["a", "g", "gp"])
def test_no_recipe_has_sums_that_fit_words_of_4_bytes(method: Literal["a", "g", "gp"]) -> None:
    """One record moves a sum by 2^31 points or more."""
    recipe = SumRecipe.of(method)
    sharing = SharedNoise(members=3)
    privacy = recipe.calibrate(epsilon=1.0, delta=1e-5, sharing=sharing, evaluation_share=0.1)
    taiwan = load_catalogue("taiwan")
    held = tuple(feature.name for feature in taiwan.features)
    members = tuple(member(name, 100).model_copy(update={"features": held}) for name in TRIO)
    plan = make_plan(recipe=recipe, privacy=privacy, quorum=3, members=members)
    rule = rule_of(taiwan, plan)
    forms = [rule.masked_form(number) for number in range(1, plan.rounds + 1)]
    assert {form.word_bytes for form in [*forms, EvaluationForms(plan, evaluation_size()).masked_form]} == {8}
    assert rule.masked_form(1).total.max_norm > 2**40


def test_a_mean_is_never_masked() -> None:
    with pytest.raises(ConfigurationError, match="federated averaging"):
        rule_of(catalogue(), make_plan()).masked_form(1)


def test_without_masks_its_sums_are_looked_at_one_by_one() -> None:
    recipe = SumRecipe.of("a")
    plan = make_plan(recipe=recipe, privacy=recipe.calibrate(epsilon=1.0, delta=1e-5, sharing=None), members=HUGE)
    rule = rule_of(catalogue(), plan)
    assert isinstance(rule, Summing)
    ones = np.ones(rule.form(1).size, dtype=np.int64)
    assert np.array_equal(rule.combine(dict.fromkeys(TRIO, ones)), 3 * ones)


def test_an_evaluation_has_a_length() -> None:
    with pytest.raises(ConfigurationError, match="evaluation_size"):
        EvaluationForms(masked_plan(), 0)
    form = EvaluationForms(make_plan(), 7).form
    assert (form.numbers, form.size) == ("float32", 7)
    assert form.max_norm == pytest.approx(2379.4, abs=0.1)
