"""Blind scoring: a lender that is no member sends encrypted features, and opens a score whose model stays its owner's.

>>> import secrets
>>> model = BlindModel(weights=(0.5, -0.25, 1.0), part_of=(0, 0, 1), salt=secrets.token_bytes(16), intercept=-2.0)
>>> client = BlindClient(model.terms(), secrets.token_bytes)
>>> pending, request = client.ask([[1, 1, 0]])
>>> scorer = BlindScorer(model, Quota.extractable(3), MemoryCount(), secrets.token_bytes)
>>> pending.open(scorer.answer("lender-a", request)).evidence.tolist()
[-1.75]

The owner sees ring-LWE ciphertexts. The requester sees each part of the score, under `flood` noise, and nothing else of
the model; `Quota` keeps these below the number of parameters. What this rests on stands in `ring` and `scorer`.
"""

from protocols.blind.client import BlindClient, BlindPending, Scores
from protocols.blind.messages import Answer, Request, Terms
from protocols.blind.model import BlindModel
from protocols.blind.quota import AnswerCount, MemoryCount, Quota, QuotaError, Spent
from protocols.blind.scorer import BlindScorer

__all__ = [
    "Answer",
    "AnswerCount",
    "BlindClient",
    "BlindModel",
    "BlindPending",
    "BlindScorer",
    "MemoryCount",
    "Quota",
    "QuotaError",
    "Request",
    "Scores",
    "Spent",
    "Terms",
]
