"""Evaluation: exact metrics for an owner, one charged histogram release for everyone else, and the model card.

spec = EvaluationSpec.from_catalogue(catalogue)
vector = spec.counts(logits, encoded)                  # at an institution, before its node adds noise
tables = spec.read(noisy_sum, sd)                      # at the coordinator
card = build_card(plan_json, model, tables, ...)
"""

from federation.evaluation.metrics import CalibrationPoint, Metrics, evaluate
from federation.evaluation.spec import EvaluationSpec
from federation.evaluation.tables import EvaluationTables
from federation.evaluation.uncertainty import Estimate

__all__ = ["CalibrationPoint", "Estimate", "EvaluationSpec", "EvaluationTables", "Metrics", "evaluate"]
