"""The model card: what a published model is, what it cost, how good it is, for whom, and what it must not be used for.

After Mitchell et al., Model cards for model reporting (FAT* 2019), with the privacy claims of NIST SP 800-226: every
epsilon stands with its delta, its unit and its adjacency.

    findings = Findings.of_release(spec.read(np.array(evaluation.counts), evaluation.sd), Scaling())
    card = build_card(model, catalogue, findings, vintages={"north": "2025Q3"})
    Path("card.json").write_text(json.dumps(card.to_json(), indent=1))
    Path("card.html").write_text(render(card))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from federation.catalogue import Catalogue
from federation.errors import ConfigurationError
from federation.evaluation.findings import Findings
from federation.evaluation.influence import Influence, feature_shares, influence_index
from federation.evaluation.limits import limitations
from federation.models import PublishedModel, effects_of
from federation.privacy.accounting import Claims
from federation.rounds.plan import TrainingPlan
from federation.scorecard.scaling import Scaling

FORMAT = "fedscore/v1/model-card"
UNIT = "one record of one institution"


@dataclass(frozen=True)
class ModelCard:
    """Everything about one published model, for people (`page.render`) and machines (`to_json`).

    claims     epsilons of EVERYTHING the plan may release to the coordinator, evaluation and spare rounds included
    vintages   data vintage per institution, as its ledger states it
    baselines  {name: {metric: value}}; what the figures are to be read against
    influence  None for a model that is not additive
    """

    name: str
    version: str
    created: str | None
    model_hash: str
    institutions: tuple[str, ...]
    plan: TrainingPlan
    catalogue: Catalogue
    scaling: Scaling
    claims: Claims
    vintages: dict[str, str]
    findings: Findings | None
    baselines: dict[str, dict[str, float]]
    influence: Influence | None
    limitations: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values; infinite epsilons become None."""
        return {
            "format": FORMAT,
            "model": self._model(),
            "catalogue": self.plan.catalogue.model_dump(mode="json"),
            "purpose": str(self.catalogue.purpose),
            "target": self.catalogue.target.definition,
            "retention_years": self.catalogue.retention_years,
            "members": [self._member(member.institution) for member in self.plan.members],
            "recipe": self.plan.recipe.to_json(),
            "scaling": self.scaling.to_json(),
            "privacy": {
                "claims": self.claims.to_json(),
                "unit": UNIT,
                "budget": self.plan.privacy.epsilon,
                "plan": self.plan.privacy.to_json(),
            },
            "findings": None if self.findings is None else self.findings.to_json(),
            "baselines": self.baselines,
            "influence": None if self.influence is None else self.influence.to_json(self.catalogue.feature_names),
            "limitations": list(self.limitations),
        }

    def _model(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "created": self.created,
            "run_id": self.plan.run_id,
            "model_hash": self.model_hash,
            "plan_hash": self.plan.hash,
            "bundle_hash": self.plan.bundle_hash,
            "family": self.plan.recipe.family,
        }

    def _member(self, institution: str) -> dict[str, Any]:
        member = self.plan.by_name[institution]
        return {
            "institution": institution,
            "nominal_records": member.nominal_records,
            "features_held": len(member.features),
            "took_part": institution in self.institutions,
            "vintage": self.vintages.get(institution),
        }


def build_card(
    model: PublishedModel,
    catalogue: Catalogue,
    findings: Findings | None,
    *,
    version: str = "1",
    created: datetime | None = None,
    scaling: Scaling | None = None,
    vintages: Mapping[str, str] | None = None,
    baselines: Mapping[str, Mapping[str, float]] | None = None,
    claims: Claims | None = None,
) -> ModelCard:
    """The card of `model`. `findings` None: no figure of quality was released, and the card says so.

    claims     the plan's own by default; pass the ledgers' where members spent otherwise
    baselines  figures to read the model's against, beside 'always the base rate', which is always there
    Raises ConfigurationError where model and catalogue do not belong together.
    """
    plan = model.plan
    if plan.catalogue.hash != catalogue.hash:
        raise ConfigurationError(
            "card.catalogue", got=catalogue.hash, expected=f"{plan.catalogue.hash}, as in the plan"
        )
    return ModelCard(
        name=catalogue.name,
        version=version,
        created=None if created is None else created.isoformat(timespec="seconds"),
        model_hash=model.hash,
        institutions=model.institutions,
        plan=plan,
        catalogue=catalogue,
        scaling=scaling or Scaling(),
        claims=claims or plan.privacy.claims(),
        vintages=dict(vintages or {}),
        findings=findings,
        baselines=_baselines(catalogue, findings, baselines or {}),
        influence=_influence(model, catalogue, findings),
        limitations=limitations(plan, findings),
    )


def _baselines(
    catalogue: Catalogue, findings: Findings | None, given: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """'Always the base rate' beside those given: Brier and ECE at the bad rate that was found."""
    constant = {"auc": 0.5, "ks": 0.0, "gini": 0.0}
    found = None if findings is None else findings.metrics["bad_rate"].value
    if found is not None:
        rate = catalogue.base_rate
        constant["brier"] = found * (1 - rate) ** 2 + (1 - found) * rate**2
        constant["ece"] = abs(found - rate)
    return {"always the base rate": constant} | {name: dict(values) for name, values in given.items()}


def _influence(model: PublishedModel, catalogue: Catalogue, findings: Findings | None) -> Influence | None:
    if findings is None or not findings.cell_shares or model.plan.recipe.family != "additive":
        return None
    effects = effects_of(model, catalogue).cells  # a pair has no feature of its own to be listed under
    weights = {dimension.value: weight for dimension, weight in catalogue.dimension_weights.items()}
    dimensions = [feature.dimension.value for feature in catalogue.features]
    return influence_index(feature_shares(effects, findings.cell_shares), dimensions, weights)
