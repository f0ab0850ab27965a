"""The two things a node ever computes for others: a private training step, and a private evaluation vector."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.evaluation import EvaluationSpec
from federation.privacy import NoiseSource
from federation.privacy.lattice import POINTS
from federation.records.encoded import Encoded
from federation.rounds import TrainingPlan
from federation.rounds.averaging import F32
from federation.rounds.evaluation_forms import EvaluationForms
from federation.rounds.plan import AnyRecipe
from federation.rounds.rule import Summing, logits_of, summed_model
from federation.rounds.vectors import MaskedForm, Vector
from federation.training import Trainer, dimension
from federation.training.embedding import Embedding
from federation.training.sums import SumModel, SumRecipe
from federation.training.sums.trainer import SumTrainer, noise_of


class Computation:
    """Holds the records. What its methods return is noisy already and may leave.

    `training` and `holdout` are disjoint in subjects: one is trained on, the other measured. Whatever could be wrong
    with them is found here (RecordsError): once budget is reserved, no failure may depend on a record.
    """

    def __init__(self, catalogue: Catalogue, training: Encoded, holdout: Encoded, noise: NoiseSource) -> None:
        for name, records in (("training", training), ("holdout", holdout)):
            if records.target is None:
                raise RecordsError(f"{name}.target", got="none", expected="an outcome for every record")
            _rehearse(catalogue, records)
        self.catalogue, self.noise = catalogue, noise
        self._training, self._holdout = training, holdout
        self._size = lru_cache(maxsize=8)(lambda recipe: dimension(catalogue, recipe))
        self._model = lru_cache(maxsize=8)(lambda plan: summed_model(catalogue, plan))
        self._rule = lru_cache(maxsize=8)(lambda plan: Summing(plan, self._model(plan)))

    @property
    def training_records(self) -> Encoded:
        """What rounds are computed on."""
        return self._training

    @property
    def holdout_records(self) -> Encoded:
        """What evaluations are computed on."""
        return self._holdout

    def size(self, recipe: AnyRecipe) -> int:
        """d, the number of parameters of a model under `recipe`."""
        return self._size(recipe)

    def train(
        self, plan: TrainingPlan, nominal_records: int, number: int, model: F32, noise: NoiseSource | None = None
    ) -> Vector:
        """What round `number` releases under `plan`: float32 [d], or int64 of a recipe of sums.

        It costs `plan.privacy.round_event(number)`. `noise`: the attempt's own source, where the round can be replayed.
        """
        summed = self._model(plan) if isinstance(plan.recipe, SumRecipe) else None
        trainer = make_trainer(self.catalogue, plan, nominal_records, noise or self.noise, summed)
        if isinstance(trainer, SumTrainer):
            return trainer.round(number, model, self._training)
        return trainer.round(model, self._training)

    def evaluate(self, plan: TrainingPlan, model: F32, noise: NoiseSource | None = None) -> Vector:
        """Noisy histograms of the holdout, float32 [m]; costs `plan.privacy.evaluation_event()`. `noise`: as above.

        Where noise is shared: int64 [m] in lattice points, with this institution's share of the noise.
        """
        spec = EvaluationSpec.from_catalogue(self.catalogue)
        scores = logits_of(self.catalogue, plan, model, self._holdout)
        counts = spec.counts(scores, self._holdout)
        if plan.privacy.sharing is not None:
            sigma = plan.privacy.evaluation_noise_share() * POINTS
            return (counts * POINTS).astype(np.int64) + noise_of(noise or self.noise, counts.size, sigma)
        noisy = plan.privacy.evaluation(noise or self.noise).release(counts)
        return noisy.astype(np.float32)

    def masked_form(self, plan: TrainingPlan, phase: str, number: int) -> MaskedForm:
        """How what `train` (round `number`) or `evaluate` returns goes under masks. Raises ConfigurationError."""
        if phase == "train":
            return self._rule(plan).masked_form(number)
        return EvaluationForms(plan, EvaluationSpec.from_catalogue(self.catalogue).size).masked_form


def make_trainer(
    catalogue: Catalogue,
    plan: TrainingPlan,
    nominal_records: int,
    noise: NoiseSource,
    model: SumModel | None = None,
) -> Trainer | SumTrainer:
    """What trains here: rounds of the node and audits of it are served by the trainer that this makes.

    `model`: `summed_model(catalogue, plan)`, where it was made before; it takes longer than a round.
    """
    if isinstance(plan.recipe, SumRecipe):
        return SumTrainer(model or summed_model(catalogue, plan), plan.privacy, nominal_records, noise)
    return Trainer(catalogue, plan.recipe, plan.privacy, nominal_records, noise)


def _rehearse(catalogue: Catalogue, records: Encoded) -> None:
    """What training and evaluation check of records, before anybody asks."""
    Embedding.of(catalogue).check(records.codes)
    EvaluationSpec.from_catalogue(catalogue).counts(np.zeros(len(records)), records)
