"""Scores between 350 and 950: points, bands, five exact parts, reasons as families, typed results.

card = Scorecard(catalogue, cell_effects(catalogue, recipe, parameters), Scaling(), shares)
scores = card.score(encoded)
scores.to_frame(encoded.subjects).write_parquet("scored.parquet")
scores.subject(0).to_json()
"""

from federation.scorecard.card import DIMENSIONS, Scorecard, score_logits
from federation.scorecard.published import Scorer
from federation.scorecard.scaling import BANDS, Band, Scaling
from federation.scorecard.scores import Coverage, Outcome, Scores, SubjectScore

__all__ = [
    "BANDS",
    "DIMENSIONS",
    "Band",
    "Coverage",
    "Outcome",
    "Scaling",
    "Scorecard",
    "Scorer",
    "Scores",
    "SubjectScore",
    "score_logits",
]
