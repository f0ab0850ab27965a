"""From log-odds of BAD to its probability."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def probability(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-logit)) of each; shape as given."""
    from scipy.special import expit  # a fifth of a second that whoever only asks or answers questions saves

    found: NDArray[np.float64] = expit(logits)
    return found
