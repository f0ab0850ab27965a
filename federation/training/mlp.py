"""A small network on the embedding, with ghost clipping in closed form and float64 (Li et al., arXiv:2110.05679).

A linear layer's gradient for one record is the outer product of what comes back to it and what went into it, so its
norm is the product of theirs and no record's gradient is built. Lengths are taken after scaling by the largest entry:
a square that vanishes or overflows would pass for a short gradient, and an unclipped record would enter the sum.

Not the default: on tabular credit data it adds nothing to the additive model at the noise of epsilon 1, and its score
is no longer a sum of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from federation.privacy.mechanism import GaussianMechanism
from federation.training.descent import descend
from federation.training.embedding import Embedding
from federation.training.recipe import Recipe
from protocols.canonical import digest

if TYPE_CHECKING:
    from federation.catalogue import Catalogue

_SPREAD = 0.3  # of the first layer: near-linear to begin with, or noise drowns what the layer could learn
_CHUNK = 2**15  # records whose dense embedding is held at once
Layer: TypeAlias = tuple[torch.Tensor, torch.Tensor]  # weight [out, in] and bias [out]


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
        flat = torch.zeros(self.dimension)
        for depth, (weight, _) in enumerate(self._layers(flat)):
            fan_in = weight.shape[1]
            std = _SPREAD if depth == 0 else math.sqrt(2.0 / fan_in)
            if depth < len(self.widths) - 2:
                weight.normal_(std=std, generator=generator)
        return flat.numpy()

    def logits(self, parameters: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Log-odds of bad, float64 [n]."""
        layers = self._layers(torch.from_numpy(parameters.astype(np.float64)))
        parts = [np.empty(0), *(self._forward(layers, codes[rows])[1].numpy() for rows in _chunks(len(codes)))]
        return np.concatenate(parts)

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
        layers, total = self._layers(torch.from_numpy(weights)), torch.zeros(self.dimension, dtype=torch.float64)
        for rows in _chunks(len(codes)):
            inputs, logits = self._forward(layers, codes[rows])
            residuals = torch.nan_to_num(torch.sigmoid(logits) - torch.from_numpy(target[rows].astype(np.float64)))
            returned = _backward(layers, inputs, residuals)
            factors = mechanism.clip_factors(_norms(inputs, returned))
            total += torch.cat(list(_sums(inputs, returned, factors)))
        return total.numpy()

    def _forward(self, layers: list[Layer], codes: NDArray[np.uint8]) -> tuple[list[torch.Tensor], torch.Tensor]:
        """What goes into each layer, [n, in] each, and the log-odds, [n]."""
        inputs = [torch.from_numpy(self.embedding.dense(codes))]
        for weight, bias in layers[:-1]:
            inputs.append(torch.relu(torch.addmm(bias, inputs[-1], weight.T)))
        weight, bias = layers[-1]
        return inputs, torch.addmm(bias, inputs[-1], weight.T).squeeze(1) + self.intercept

    def _layers(self, flat: torch.Tensor) -> list[Layer]:
        """Views into `flat`: for each layer its weight, then its bias."""
        layers, start = [], 0
        for before, after in pairwise(self.widths):
            middle, stop = start + before * after, start + (before + 1) * after
            layers.append((flat[start:middle].view(after, before), flat[middle:stop]))
            start = stop
        return layers


def _chunks(records: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, records, _CHUNK))


def _backward(layers: list[Layer], inputs: list[torch.Tensor], residuals: torch.Tensor) -> list[torch.Tensor]:
    """The derivative of each record's loss by each layer's output, [n, out] each."""
    returned = [residuals.unsqueeze(1)]
    for (weight, _), entered in zip(layers[:0:-1], inputs[:0:-1], strict=True):
        returned.insert(0, (returned[0] @ weight) * (entered > 0))
    return returned


def _norms(inputs: list[torch.Tensor], returned: list[torch.Tensor]) -> torch.Tensor:
    """L2 norm of each record's whole gradient, [n]; the one is the bias' input."""
    one = torch.ones(1, dtype=torch.float64)
    parts = [_lengths(back) * torch.hypot(_lengths(x), one) for x, back in zip(inputs, returned, strict=True)]
    return _lengths(torch.stack(parts, dim=1))


def _lengths(rows: torch.Tensor) -> torch.Tensor:
    """L2 norm of each row, exact to rounding over the whole range of float64: no square leaves that range."""
    largest = rows.abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest, torch.ones_like(largest))
    lengths: torch.Tensor = torch.linalg.vector_norm(rows / scale, dim=1) * scale.squeeze(1)
    return lengths


def _sums(inputs: list[torch.Tensor], returned: list[torch.Tensor], factors: torch.Tensor) -> Iterator[torch.Tensor]:
    """Per layer the sums of clipped gradients by weight and by bias, flat. A factor of 0 leaves nothing of a record."""
    dropped = (factors == 0).unsqueeze(1)
    for entered, back in zip(inputs, returned, strict=True):
        clipped = (back * factors.unsqueeze(1)).masked_fill(dropped, 0.0)
        yield (clipped.T @ entered.masked_fill(dropped, 0.0)).reshape(-1)
        yield clipped.sum(0)
