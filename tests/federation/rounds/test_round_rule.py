"""Rules of sums: which federations they are for, and what a total may be."""

from __future__ import annotations

import numpy as np
import pytest
from masked_world import TRIO, masked_plan
from rounds_world import catalogue, evaluation_size, make_plan, member

from federation.errors import ConfigurationError
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
