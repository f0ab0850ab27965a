"""A small network on the embedding, trained with Opacus' ghost clipping (Li et al., arXiv:2110.05679).

Not the default: on tabular credit data it adds nothing to the additive model at the noise of epsilon 1, and its score
is no longer a sum of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPTensorFastGradientClipping
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from federation.privacy.mechanism import GaussianMechanism, PrivateOptimizer
from federation.training.embedding import Embedding
from federation.training.recipe import Recipe
from protocols.canonical import digest

if TYPE_CHECKING:
    from federation.catalogue import Catalogue

_SPREAD = 0.3  # of the first layer: near-linear to begin with, or noise drowns what the layer could learn
_CHUNK = 2**15  # records whose dense embedding is held at once when scoring


class MlpModel:
    """Parameters: weights and biases layer by layer, flat float32. Its output is added to the public log-odds."""

    def __init__(self, catalogue: Catalogue, hidden: tuple[int, ...]) -> None:
        self.embedding = Embedding.of(catalogue)
        self.intercept = math.log(catalogue.base_rate / (1 - catalogue.base_rate))
        self.widths = (self.embedding.dimension, *hidden, 1)
        seed = digest("fedscore/v1/mlp", f"{catalogue.hash} {self.widths}".encode())
        self._seed = int.from_bytes(seed[:7], "big")

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return sum((before + 1) * after for before, after in pairwise(self.widths))

    def initial(self) -> NDArray[np.float32]:
        """Gaussian layers from a public seed (catalogue and widths); the last layer is zero."""
        generator = torch.Generator().manual_seed(self._seed)
        network = self._network()
        for depth, layer in enumerate(_linear_layers(network)):
            std = _SPREAD if depth == 0 else math.sqrt(2.0 / layer.in_features)
            nn.init.normal_(layer.weight, std=0.0 if layer.out_features == 1 else std, generator=generator)
            nn.init.zeros_(layer.bias)
        return _flat(network)

    def logits(self, parameters: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Log-odds of bad, float64 [n]."""
        network = self._network(parameters)
        parts = [np.empty(0)]
        with torch.no_grad():
            for start in range(0, len(codes), _CHUNK):
                x = torch.from_numpy(self.embedding.dense(codes[start : start + _CHUNK]))
                parts.append(network(x).squeeze(1).numpy().astype(np.float64))
        return self.intercept + np.concatenate(parts)

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
        module = GradSampleModuleFastGradientClipping(
            self._network(parameters), loss_reduction="sum", max_grad_norm=mechanism.clip
        )
        inner = torch.optim.SGD(module.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
        optimizer = mechanism.optimizer(inner, nominal_records)
        for _ in range(mechanism.event.steps):
            rows = mechanism.sample(len(codes))
            self._clipped_sum(module, optimizer, codes[rows], target[rows])
            optimizer.step()
        return _flat(module).astype(np.float64)

    def _clipped_sum(
        self,
        module: GradSampleModuleFastGradientClipping,
        optimizer: PrivateOptimizer,
        codes: NDArray[np.uint8],
        target: NDArray[np.uint8],
    ) -> None:
        """Leaves in p.grad the sum over records of gradients of joint norm at most the clip; zero without records."""
        optimizer.zero_grad()
        if not len(codes):
            for p in module.parameters():
                p.grad = torch.zeros_like(p)
            return
        x = torch.from_numpy(self.embedding.dense(codes)).requires_grad_()  # or torch warns of Opacus' hooks every step
        z = module(x).squeeze(1) + self.intercept
        y = torch.from_numpy(target.astype(np.float32))
        loss = nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")
        DPTensorFastGradientClipping(module, optimizer, loss, loss_reduction="sum").backward()

    def _network(self, parameters: NDArray[np.float32] | None = None) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in pairwise(self.widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        network = nn.Sequential(*layers[:-1])
        if parameters is not None:
            vector_to_parameters(torch.from_numpy(parameters.copy()), network.parameters())
        return network


def _linear_layers(network: nn.Module) -> Iterator[nn.Linear]:
    return (layer for layer in network.modules() if isinstance(layer, nn.Linear))


def _flat(network: nn.Module) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = parameters_to_vector(network.parameters()).detach().numpy().copy()
    return vector
