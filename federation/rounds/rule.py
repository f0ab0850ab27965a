"""How the answers of a round become the next model: all that differs between one recipe and another in a run.

    rule = rule_of(catalogue, plan)
    model = rule.initial()
    for number in range(1, plan.rounds + 1):
        vectors = {institution: rule.form(number).read(bytes) ...}
        model = rule.follow(number, model, rule.combine(vectors))

Pure, so that every member can compute what was published again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from federation.errors import ConfigurationError
from federation.rounds.averaging import F32, F64, average
from federation.rounds.plan import TrainingPlan
from federation.rounds.vectors import I64, AnyForm, Form, MaskedForm, Vector, exact_sum
from federation.training.recipe import Recipe

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.records.encoded import Encoded
    from federation.training.sums import SumModel


class Rule(Protocol):
    """`size`: length of the model that is sent out."""

    @property
    def size(self) -> int: ...

    def initial(self) -> F32: ...

    def form(self, number: int) -> AnyForm:
        """Of a member's answer to round `number`, from 1."""
        ...

    def masked_form(self, number: int) -> MaskedForm:
        """Of a member's answer under masks. Raises ConfigurationError for a rule whose answers never are."""
        ...

    def combine(self, vectors: Mapping[str, Vector]) -> Any:
        """The mean or sum of answers by institution; masked answers are summed where their masks come off.

        Raises Refused for answers that each have their form, and no sum that could be followed.
        """
        ...

    def follow(self, number: int, model: F32, combined: Any) -> F32:
        """The model after round `number`. Raises ConfigurationError for a sum that no round can have."""
        ...


@dataclass(frozen=True)
class Averaging:
    """Federated averaging (McMahan et al. 2017): the model plus the mean of the members' changes."""

    plan: TrainingPlan
    start: F32

    @property
    def size(self) -> int:
        return self.start.size

    def initial(self) -> F32:
        return self.start

    def form(self, number: int) -> Form:
        return Form("float32", self.size, self.plan.max_update_norm)

    def masked_form(self, number: int) -> MaskedForm:
        raise ConfigurationError("plan.recipe", got="federated averaging", expected="a recipe of sums")

    def combine(self, vectors: Mapping[str, Vector]) -> F64:
        """Weighted by nominal sizes, float64 [d]."""
        return average(vectors, {name: self.plan.by_name[name].nominal_records for name in vectors})

    def follow(self, number: int, model: F32, combined: F64) -> F32:
        return (model.astype(np.float64) + combined).astype(np.float32)


@dataclass(frozen=True)
class Summing:
    """A recipe of sums: one integer sum, then public arithmetic (docs/recipes.md).

    Raises ConfigurationError for a federation so large that a masked sum could wrap around unseen.
    """

    plan: TrainingPlan
    model: SumModel

    def __post_init__(self) -> None:
        if self.plan.privacy.sharing is not None:
            for number in range(1, self.plan.rounds + 1):
                self.masked_form(number)

    @property
    def size(self) -> int:
        return self.model.size

    def initial(self) -> F32:
        return self.model.initial()

    def form(self, number: int) -> AnyForm:
        if self.plan.privacy.sharing is not None:
            return self.masked_form(number)
        return Form("int64", self.model.width(number), self.model.bound(number, self._largest))

    def masked_form(self, number: int) -> MaskedForm:
        sizes = {member.institution: member.nominal_records for member in self.plan.members}
        norms = {name: self.model.bound(number, size) for name, size in sizes.items()}
        return MaskedForm.of_norms(self.model.width(number), norms)

    def combine(self, vectors: Mapping[str, Vector]) -> I64:
        """int64 [width], exact. Raises Refused (oversized) for a sum beyond 2^61."""
        return exact_sum(vectors[name] for name in sorted(vectors))

    def follow(self, number: int, model: F32, combined: I64) -> F32:
        return self.model.advance(number, model, combined)

    @cached_property
    def _largest(self) -> int:
        return max(member.nominal_records for member in self.plan.members)


def rule_of(catalogue: Catalogue, plan: TrainingPlan) -> Rule:
    """The rule of `plan`. Raises ConfigurationError for a recipe that the catalogue has not the features for."""
    if isinstance(plan.recipe, Recipe):
        from federation.training import initial_parameters  # the family's model: torch, for networks

        return Averaging(plan, initial_parameters(catalogue, plan.recipe))
    return Summing(plan, summed_model(catalogue, plan))


def logits_of(catalogue: Catalogue, plan: TrainingPlan, model: F32, records: Encoded) -> F64:
    """Log-odds of BAD, float64 [n], by a model of `plan`. Raises ConfigurationError, RecordsError."""
    if isinstance(plan.recipe, Recipe):
        from federation.training import logits

        return logits(catalogue, plan.recipe, model, records.codes)
    return summed_model(catalogue, plan).logits(model, records)


def summed_model(catalogue: Catalogue, plan: TrainingPlan) -> SumModel:
    """The model of a plan with a recipe of sums. Raises ConfigurationError for another."""
    from federation.training.sums import sum_model

    if isinstance(plan.recipe, Recipe):
        raise ConfigurationError("plan.recipe", got="federated averaging", expected="a recipe of sums")
    return sum_model(catalogue, plan.recipe, plan.privacy, [member.nominal_records for member in plan.members])
