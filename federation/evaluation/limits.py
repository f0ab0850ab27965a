"""What a model card must say against its own model."""

from __future__ import annotations

from federation.evaluation.findings import Findings
from federation.rounds.plan import TrainingPlan

FEW_RECORDS = 2_000  # per institution: below it a small budget leaves little more than noise (measured on public data)


def limitations(plan: TrainingPlan, findings: Findings | None) -> tuple[str, ...]:
    """Sentences for people; the general ones first, then those that the plan and the figures call for."""
    return (*_general(plan), *_of_members(plan), *_of_findings(findings))


def _general(plan: TrainingPlan) -> tuple[str, ...]:
    additive = plan.recipe.family == "additive"
    return (
        "For lending decisions on financial records only, with the person's consent; never a refusal's sole ground.",
        "Epsilon protects one record of one institution. A person known to several institutions is protected less: "
        "their losses compose. Epsilon bounds what the release tells about a record, not whether the score is right.",
        "Sums are integers and the noise is an exact discrete Gaussian: no rounding is left out of the accounting."
        if additive
        else "The noise is a floating-point Gaussian from the operating system's generator: the accounting is that of "
        "the real Gaussian, and rounding is not part of it.",
        "The model is additive: no interaction between features is learned, so parts and reasons are exact."
        if additive
        else "The model is a network: it has no exact parts and no exact reasons, and no adverse decision can be "
        "explained from it.",
    )


def _of_members(plan: TrainingPlan) -> tuple[str, ...]:
    small = [member.institution for member in plan.members if member.nominal_records < FEW_RECORDS]
    partial = [
        m.institution for m in plan.members if len(m.features) < len({f for o in plan.members for f in o.features})
    ]
    found = []
    if small:
        found.append(f"Fewer than {FEW_RECORDS} nominal records: {', '.join(small)}; under a small budget that is few.")
    if partial:
        found.append(
            f"Not all features are held by: {', '.join(partial)}; a feature not held contributes nothing there."
        )
    return tuple(found)


def _of_findings(findings: Findings | None) -> tuple[str, ...]:
    if findings is None:
        return ("No figure of quality was released with this model: none is on this card.",)
    found = []
    if findings.noise_sd:
        found.append(
            "Figures come from noisy counts in score bins: they carry the standard errors shown, and ties inside a bin "
            "lower AUC and KS a little. The model was not chosen by them."
        )
    withheld = [name for name, estimate in findings.metrics.items() if estimate.value is None]
    if withheld:
        found.append(f"Withheld because too few records stand against the noise: {', '.join(withheld)}.")
    silent = [f"{item.attribute}: {g.group}" for item in findings.fairness for g in item.groups if g.records is None]
    if silent:
        found.append(f"Too small to be shown by group: {'; '.join(silent)}.")
    return tuple(found)
