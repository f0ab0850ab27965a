"""The two things a node ever computes for others: a private training step, and a private evaluation vector."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.evaluation import EvaluationSpec
from federation.privacy import NoiseSource
from federation.records.encoded import Encoded
from federation.rounds import TrainingPlan
from federation.rounds.averaging import F32
from federation.training import Recipe, Trainer, dimension, logits
from federation.training.embedding import Embedding


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

    @property
    def training_records(self) -> Encoded:
        """What rounds are computed on."""
        return self._training

    @property
    def holdout_records(self) -> Encoded:
        """What evaluations are computed on."""
        return self._holdout

    def size(self, recipe: Recipe) -> int:
        """d, the number of parameters of a model under `recipe`."""
        return self._size(recipe)

    def train(self, plan: TrainingPlan, nominal_records: int, model: F32, noise: NoiseSource | None = None) -> F32:
        """float32 [d]: the change of one round under `plan`; costs `plan.privacy.round_event()`.

        `noise`: the attempt's own source, where the round can be replayed.
        """
        return make_trainer(self.catalogue, plan, nominal_records, noise or self.noise).round(model, self._training)

    def evaluate(self, plan: TrainingPlan, model: F32, noise: NoiseSource | None = None) -> F32:
        """float32 [m]: noisy histograms of the holdout; costs `plan.privacy.evaluation_event()`. `noise`: as above."""
        spec = EvaluationSpec.from_catalogue(self.catalogue)
        scores = logits(self.catalogue, plan.recipe, model, self._holdout.codes)
        noisy = plan.privacy.evaluation(noise or self.noise).release(spec.counts(scores, self._holdout))
        return noisy.astype(np.float32)


def make_trainer(catalogue: Catalogue, plan: TrainingPlan, nominal_records: int, noise: NoiseSource) -> Trainer:
    """What trains here: rounds of the node and audits of it are served by the trainer that this makes."""
    return Trainer(catalogue, plan.recipe, plan.privacy, nominal_records, noise)


def _rehearse(catalogue: Catalogue, records: Encoded) -> None:
    """What training and evaluation check of records, before anybody asks."""
    Embedding.of(catalogue).check(records.codes)
    EvaluationSpec.from_catalogue(catalogue).counts(np.zeros(len(records)), records)
