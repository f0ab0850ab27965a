"""A training run on paper: the plan everybody signs, what a request and a reply must satisfy, how updates are averaged.

Pure: no socket, file, clock or database. The institution's end is `clients.institution.node`, the coordinator's
`server.round_driver`; both read the rules here, so they cannot disagree about them.
"""

from __future__ import annotations

from federation.rounds.averaging import average, model_from_bytes, model_hash, model_to_bytes, update_hash
from federation.rounds.collection import Collection
from federation.rounds.plan import PLAN_LABEL, CatalogueRef, Member, TrainingPlan
from federation.rounds.progress import Checkpoint, RoundRecord
from federation.rounds.refusals import Code, RunFailed
from federation.rounds.reply import Expected, Update, check_reply
from federation.rounds.request import CheckedRequest, check_request, request_hash
from federation.rounds.signed_plan import SignedPlan, approve

__all__ = [
    "PLAN_LABEL",
    "CatalogueRef",
    "CheckedRequest",
    "Checkpoint",
    "Code",
    "Collection",
    "Expected",
    "Member",
    "RoundRecord",
    "RunFailed",
    "SignedPlan",
    "TrainingPlan",
    "Update",
    "approve",
    "average",
    "check_reply",
    "check_request",
    "model_from_bytes",
    "model_hash",
    "model_to_bytes",
    "request_hash",
    "update_hash",
]
