"""What the federation is compared with: models WITHOUT privacy, trained by one owner on its own data.

Nothing here is part of a deployment. The additive baselines are scikit-learn's logistic regression on the federation's
own embedding, with its strength chosen on an inner fifth of the training records; boosting sees the same model features
(their cells, the nominal ones as categories); `federated_logits` is the plan's own recipe with the noise replaced by
zeros, which shows what privacy costs and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from clients.institution.training import Computation
from federation.catalogue import Catalogue
from federation.errors import RecordsError
from federation.records.encoded import Encoded
from federation.rounds import Checkpoint, TrainingPlan, Update
from federation.rounds.rule import logits_of, rule_of
from federation.training.embedding import Embedding

Logits = NDArray[np.float64]

_STRENGTHS = (3.0, 30.0, 300.0)  # inverse regularisation; the embedding has norm 1, so weights are large
_INNER = 0.2


def additive_logits(catalogue: Catalogue, train: Encoded, test: Encoded, *, seed: int = 0) -> Logits:
    """Log-odds of BAD for `test` by an additive logistic regression on `train`: one member's records, or everybody's.

    Raises RecordsError where `train` has fewer than ten records of one outcome.
    """
    embedding = Embedding.of(catalogue)
    target = outcomes(train)
    if min(int(target.sum()), len(target) - int(target.sum())) < 10:
        raise RecordsError("baseline", got=f"{int(target.sum())} bads of {len(target)}", expected="10 of each outcome")
    model = _fit_logistic(embedding.dense(train.codes), target, seed)
    return np.asarray(model.decision_function(embedding.dense(test.codes)), dtype=np.float64)


def boosting_logits(catalogue: Catalogue, train: Encoded, test: Encoded, *, seed: int = 0) -> Logits:
    """Log-odds of BAD for `test` by gradient boosting on the cells of `train`, all records in one place."""
    nominal = [feature.kind == "nominal" for feature in catalogue.features]
    model = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=400,
        max_leaf_nodes=15,
        min_samples_leaf=40,
        l2_regularization=5.0,
        categorical_features=nominal if any(nominal) else None,
        early_stopping=True,
        validation_fraction=0.15,
        n_iter_no_change=15,
        random_state=seed,
    )
    model.fit(train.codes.astype(np.float32), outcomes(train))
    return np.asarray(model.decision_function(test.codes.astype(np.float32)), dtype=np.float64)


def federated_logits(
    catalogue: Catalogue, plan: TrainingPlan, members: Sequence[Encoded], test: Encoded, *, seed: int
) -> Logits:
    """Log-odds of BAD for `test` by `plan`'s recipe, members in the plan's order, with NO noise. Sampling by `seed`.

    Rounds are averaged and the model is published by the driver's own rule.
    """
    noise = NoNoise(seed)
    nominal = {member.institution: member.nominal_records for member in plan.members}
    computations = {
        name: Computation(catalogue, own, own.take(np.zeros(len(own), dtype=np.bool_)), noise)
        for name, own in zip(nominal, members, strict=True)
    }
    rule = rule_of(catalogue, plan)
    checkpoint = Checkpoint.start(plan, rule.initial())
    for number in range(1, plan.rounds + 1):
        start = checkpoint.parameters
        updates = {
            name: Update.of(name, computation.train(plan, nominal[name], number, start))
            for name, computation in computations.items()
        }
        combined = rule.combine({name: update.vector for name, update in updates.items()})
        checkpoint = checkpoint.advance(plan, updates, rule.follow(number, start, combined))
    return logits_of(catalogue, plan, checkpoint.published, test)


@dataclass
class NoNoise:
    """A noise source that adds none: for comparison on one owner's own data. No deployment can name it."""

    seed: int
    secure: bool = False

    def __post_init__(self) -> None:
        self._generator = np.random.default_rng(self.seed)

    def gaussian(self, shape: Sequence[int], scale: float) -> NDArray[np.float64]:
        """Zeros."""
        return np.zeros(tuple(shape))

    def words(self, count: int) -> NDArray[np.uint64]:
        """Independent uniform words, uint64 [count]."""
        return self._generator.integers(0, 2**64, count, dtype=np.uint64)

    def discrete_gaussian(self, size: int, sigma: Fraction) -> NDArray[np.int64]:
        """Zeros, int64 [size]."""
        return np.zeros(size, dtype=np.int64)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """Independent values in [0, 1)."""
        return self._generator.random(size)


def outcomes(records: Encoded) -> NDArray[np.uint8]:
    """The target. Raises RecordsError where there is none."""
    if records.target is None:
        raise RecordsError("records.target", got="no outcome column", expected="an outcome for each record")
    return records.target


def _fit_logistic(
    features: NDArray[np.float32] | NDArray[np.float64], target: NDArray[np.uint8], seed: int
) -> LogisticRegression:
    fit_x, judge_x, fit_y, judge_y = train_test_split(
        features, target, test_size=_INNER, random_state=seed, stratify=target
    )
    losses = [
        log_loss(judge_y, _logistic(strength).fit(fit_x, fit_y).predict_proba(judge_x)) for strength in _STRENGTHS
    ]
    return _logistic(_STRENGTHS[int(np.argmin(losses))]).fit(features, target)


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=300, tol=1e-3)
