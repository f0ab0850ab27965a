"""The clipped gradient of a logistic loss in closed form: for a model that is linear in x it is a residual times x.

Its norm is |sigma(z) - y| |x|, so clipping scales the residual and no gradient of a single record is ever built
(ghost clipping; Li et al., arXiv:2110.05679, with one layer).
"""

from __future__ import annotations

import torch

from federation.privacy.mechanism import GaussianMechanism


def clipped_residuals(
    logits: torch.Tensor, target: torch.Tensor, norms: torch.Tensor, mechanism: GaussianMechanism
) -> torch.Tensor:
    """sigma(z) - y, scaled so that its product with an input of L2 norm `norms` is within the clip; [n] each.

    Always finite: a logit that is not a number has no residual, an input whose norm is not one has no part in the sum.
    """
    residuals = torch.nan_to_num_(torch.sigmoid(logits) - target)
    return residuals * mechanism.clip_factors(residuals.abs() * norms)
