"""Blind scoring of catalogue-encoded applicants: what the owner of a model and a lender outside must agree on.

columns = Columns(catalogue, pairs=False)
model = BlindModel(columns.weights(effects), columns.part_of, salt, intercept=columns.intercept)     # the owner
scores = read_scores(offer, catalogue, opened, records)                                              # the lender
"""

from federation.blind.columns import Columns
from federation.blind.offer import Limits, Offer, SignedOffer
from federation.blind.reading import read_scores, uncertainty

__all__ = ["Columns", "Limits", "Offer", "SignedOffer", "read_scores", "uncertainty"]
