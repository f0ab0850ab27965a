"""What the contract of a recipe of sums must claim, check by check and stage by stage: a function of the signed plan.

    claims = contract_claims(plan.privacy, sensitivities_of(catalogue, plan))
    claims.faults(findings)

How much one record may move the sums of a stage follows from the catalogue. A verifier that has not the plan's takes an
institution's word for it, `stated_sensitivities(findings)`: noise is still held to the plan's multiple of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from federation.audits.claimed import AGREEMENT, Claimed, Claims
from federation.audits.finding import Check, Finding
from federation.privacy import PrivacyPlan
from federation.privacy.accounting import spent
from federation.privacy.lattice import POINTS

if TYPE_CHECKING:
    from federation.catalogue import Catalogue
    from federation.rounds.plan import TrainingPlan

Sensitivities: TypeAlias = Mapping[str, float]  # by stage, in the order of the plan's: the most that one record adds
_SOURCE = 1e-3  # of a release: what may come from elsewhere than the noise source


def sensitivities_of(catalogue: Catalogue, plan: TrainingPlan) -> Sensitivities:
    """Of every stage of `plan`. Raises ConfigurationError for a plan that is not one of sums, or of other stages."""
    from federation.rounds.rule import summed_model

    model = summed_model(catalogue, plan)
    firsts = {stage: number for number, stage in reversed(list(enumerate(model.rounds, start=1)))}
    return {str(stage): model.sensitivity(firsts[stage]) / POINTS for stage in dict.fromkeys(model.rounds)}


def stated_sensitivities(stages: Sequence[str], findings: Sequence[Finding]) -> Sensitivities:
    """The same as an institution states them; not a number where it states none."""
    stated = {finding.stage: finding.claimed for finding in findings if finding.check is Check.SENSITIVITY}
    return {stage: stated.get(stage, math.nan) for stage in stages}


def contract_claims(privacy: PrivacyPlan, sensitivities: Sensitivities) -> Claims:
    """Of a contract audit under a plan with a stage for each of `sensitivities`; some accounting."""
    firsts = [1 + sum(stage.rounds for stage in privacy.stages[:at]) for at in range(len(privacy.stages))]
    checks: dict[str, Claimed] = {}
    for (stage, sensitivity), number in zip(sensitivities.items(), firsts, strict=True):
        checks |= {f"{check}, {stage}": known for check, known in _on_stage(privacy, number, sensitivity)}
    asked = sorted({*firsts, privacy.rounds})
    stated = tuple(
        spent([privacy.round_event(each) for each in asked[: at + 1]], privacy.delta) for at in range(len(asked))
    )
    checks[Check.COMPOSITION] = Claimed(stated, AGREEMENT, tolerance=AGREEMENT * (1 + AGREEMENT) * max(stated))
    checks[Check.GROWTH] = Claimed((0.0,), tolerance=0.0)
    return Claims(checks, (Check.COMPOSITION,))


def _on_stage(privacy: PrivacyPlan, number: int, sensitivity: float) -> Iterator[tuple[Check, Claimed]]:
    yield Check.SENSITIVITY, Claimed((sensitivity,), tolerance=0.0)
    yield Check.CLIP_PER_RECORD, Claimed((0.0,), tolerance=0.0)
    yield Check.RATE, Claimed((1.0,), tolerance=0.0)
    yield Check.NOISE_SOURCE, Claimed((0.0,), tolerance=_SOURCE)
    yield Check.NOISE_SCALE, Claimed((float(privacy.noise_share(number)) * sensitivity,))
    yield Check.ROUNDS, Claimed((0.0,))
    yield Check.COORDINATES, Claimed((0.0,))
    yield Check.RELEASES, Claimed((1.0,), tolerance=0.0)
