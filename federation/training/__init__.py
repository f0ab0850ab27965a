"""Local training: embedding, models, one institution's part in a round, and what a model's parameters mean."""

from federation.training.recipe import Recipe
from federation.training.trainer import Trainer, cell_effects, dimension, initial_parameters, logits

__all__ = [
    "Recipe",
    "Trainer",
    "cell_effects",
    "dimension",
    "initial_parameters",
    "logits",
]
