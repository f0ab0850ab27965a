"""Evaluation: exact metrics for an owner, one charged histogram release for everyone else, and the model card.

spec = EvaluationSpec.from_catalogue(catalogue)
vector = spec.counts(logits, encoded)                       # at an institution, before its node adds noise
tables = spec.read(np.array(published.counts), published.sd)     # at the coordinator
findings = Findings.of_release(tables, Scaling())
card = build_card(model, catalogue, findings)
"""

from federation.evaluation.findings import Findings
from federation.evaluation.metrics import CalibrationPoint, Metrics, evaluate
from federation.evaluation.model_card import ModelCard, build_card
from federation.evaluation.spec import EvaluationSpec
from federation.evaluation.tables import EvaluationTables
from federation.evaluation.uncertainty import Estimate

__all__ = [
    "CalibrationPoint",
    "Estimate",
    "EvaluationSpec",
    "EvaluationTables",
    "Findings",
    "Metrics",
    "ModelCard",
    "build_card",
    "evaluate",
]
