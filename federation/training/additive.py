"""The additive model: logistic regression on the embedding. Every cell's effect, part and reason is exact.

Works on the codes: a forward pass gathers one number per feature, a backward pass counts residuals per cell. No matrix
of records times dimensions is built, so a million records fit where their codes do. torch is imported to train and for
nothing else: plans, scores and reports are made without it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from federation.training.descent import descend
from federation.training.embedding import Embedding
from federation.training.recipe import Recipe

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.privacy.mechanism import GaussianMechanism


class AdditiveModel:
    """Parameters: the weights of the embedding, float32 [dimension]. The intercept is the public log-odds."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.embedding = Embedding.of(catalogue)
        self.intercept = math.log(catalogue.base_rate / (1 - catalogue.base_rate))

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return self.embedding.dimension

    def initial(self) -> NDArray[np.float32]:
        """Zeros: the public base rate for everybody."""
        return np.zeros(self.dimension, dtype=np.float32)

    def logits(self, parameters: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Log-odds of bad, float64 [n]."""
        return self.intercept + self.embedding.forward(parameters.astype(np.float64), codes)

    def cell_effects(self, parameters: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
        """Log-odds of bad that each cell adds, float64 [n_cells] per feature."""
        return tuple(self.embedding.effects(parameters.astype(np.float64)))

    def train(
        self,
        parameters: NDArray[np.float32],
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
        recipe: Recipe,
        mechanism: GaussianMechanism,
        nominal_records: int,
    ) -> NDArray[np.float64]:
        """The parameters after every step that the mechanism's event has."""

        def clipped_sum(weights: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
            return self.clipped_sum(weights, codes[rows], target[rows], mechanism)

        return descend(parameters, len(codes), clipped_sum, recipe, mechanism, nominal_records)

    def clipped_sum(
        self,
        weights: NDArray[np.float64],
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
        mechanism: GaussianMechanism,
    ) -> NDArray[np.float64]:
        """Sum over records of gradients of norm at most the mechanism's clip, float64 [dimension]; always finite."""
        import torch

        from federation.training.logistic import clipped_residuals

        z = torch.from_numpy(self.intercept + self.embedding.forward(weights, codes))
        y = torch.from_numpy(target.astype(np.float64))
        norms = torch.from_numpy(self.embedding.norms(codes))
        return self.embedding.backward(clipped_residuals(z, y, norms, mechanism).numpy(), codes)
