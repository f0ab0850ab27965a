"""The private steps of one round, for every family of models: only the sum of clipped gradients differs.

Parameters are float64, and no step of it can fail: they stay within the public bound, sums of clipped gradients (int64
for the additive family, float64 for networks) are finite whatever the records are. What may fail does so before the
budget is reserved, so that no refusal tells of a record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.training.recipe import PARAMETER_LIMIT, Recipe

if TYPE_CHECKING:
    from federation.privacy.mechanism import GaussianMechanism

F64: TypeAlias = NDArray[np.float64]
I64: TypeAlias = NDArray[np.int64]
ClippedSum: TypeAlias = Callable[[F64, I64], F64] | Callable[[F64, I64], I64]  # (parameters, rows) -> sum [d]


def descend(
    parameters: NDArray[np.float32],
    records: int,
    clipped_sum: ClippedSum,
    recipe: Recipe,
    mechanism: GaussianMechanism,
    nominal_records: int,
) -> F64:
    """The parameters after every step that the mechanism's event has, float64 [d]."""
    import torch

    weights = torch.nn.Parameter(torch.from_numpy(parameters.astype(np.float64)))
    inner = torch.optim.SGD([weights], lr=recipe.learning_rate, momentum=recipe.momentum, foreach=False)
    optimizer = mechanism.optimizer(inner, nominal_records)
    for _ in range(mechanism.event.steps):
        rows = mechanism.sample(records)
        optimizer.zero_grad()
        optimizer.take(clipped_sum(weights.detach().numpy(), rows))
        optimizer.step()
        weights.data.clamp_(-PARAMETER_LIMIT, PARAMETER_LIMIT)
    return weights.detach().numpy()
