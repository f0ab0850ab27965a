"""Recipes of sums: models trained by rounds of one integer sum over all members' records (docs/recipes.md)."""

from federation.training.sums.model import SumModel, sum_model
from federation.training.sums.recipe import Method, Stage, SumRecipe

__all__ = ["Method", "Stage", "SumModel", "SumRecipe", "sum_model"]
