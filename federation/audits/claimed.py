"""What the result of an audit must claim: a function of the signed plan, so that nobody need be asked for it.

    claims = claims_of(plan.privacy, "canary")
    claims.faults(findings)                  # what a verifier finds wrong with them; empty: nothing

Whoever logs a result chose every figure in it. What was measured only the institution saw; what it is held against, how
far it may be off, and which checks there are, follow from the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from federation.audits.audit import Kind
from federation.audits.finding import ALPHA, Check, Finding
from federation.errors import PrivacyError
from federation.privacy import GaussianEvent, PrivacyPlan
from federation.privacy.accounting import spent

AGREEMENT = 0.02  # relatively: what two versions of an accountant may differ by
_EXACT = 1e-9
REHEARSED: Mapping[Kind, int] = MappingProxyType({"contract": 3, "canary": 8, "one-run": 1})  # rounds of the ledger
_BLUR = 0.101  # of the clip: the most that an audit allows for rounding, or it is refused
_RECORDS = 6  # whose parts are added up


@dataclass(frozen=True)
class Claimed:
    """Of one check. `values`: what it may be held against; `agreement`: how near to one of them, relatively.

    tolerance  the most that it may allow; None: it has none
    bound      it measures a lower bound, with a confidence
    """

    values: tuple[float, ...]
    agreement: float = _EXACT
    tolerance: float | None = None
    bound: bool = False


@dataclass(frozen=True)
class Claims:
    """`checks`: all of an audit's, each once, by `Finding.name`; `headline`: those whose epsilons stand for it all."""

    checks: Mapping[str, Claimed]
    headline: tuple[Check, ...]

    def faults(self, findings: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
        """(check, got, expected) of each thing wrong with `findings`, that they pass or fail aside."""
        said = [finding.name for finding in findings]
        for name in self.checks:
            if said.count(name) != 1:
                yield str(name), f"{said.count(name)} findings", "one"
        for finding in findings:
            known = self.checks.get(finding.name)
            if known is None:
                yield finding.name, "a finding", "none in this audit"
            else:
                yield from _faults(finding, known)


def _faults(finding: Finding, known: Claimed) -> Iterator[tuple[str, str, str]]:
    name, claimed = finding.name, finding.claimed
    if not any(math.isclose(claimed, value, rel_tol=known.agreement, abs_tol=_EXACT) for value in known.values):
        values = " or ".join(f"{value:.6g}" for value in known.values)
        yield f"{name}: claimed", f"{claimed:.6g}", f"{values}, by the plan"
    if (finding.tolerance or 0.0) > (known.tolerance or 0.0) * (1 + _EXACT):
        yield f"{name}: tolerance", f"{finding.tolerance:g}", f"at most {known.tolerance or 0.0:g}"
    if known.bound is (finding.confidence is None):
        yield f"{name}: confidence", str(finding.confidence), "that of a bound" if known.bound else "none"
    if finding.passed and not _may_pass(finding, known):
        yield name, f"passed with {finding.measured:.6g} measured", f"no pass: {claimed:.6g} is claimed"


def _may_pass(finding: Finding, known: Claimed) -> bool:
    """By its own figures. Not to be satisfied by figures that are left out."""
    if known.bound:
        return finding.measured <= finding.claimed
    if finding.p_value is not None and not finding.p_value >= ALPHA:
        return False
    if known.tolerance is None:
        return finding.p_value is not None
    off = finding.measured - finding.claimed
    one_sided = finding.check is Check.SENSITIVITY  # less than the clip is no fault
    return (off if one_sided else abs(off)) <= (finding.tolerance or 0.0)


@lru_cache(maxsize=64)
def claims_of(privacy: PrivacyPlan, kind: Kind) -> Claims:
    """Of an audit of `kind`; some accounting, about a second.

    Raises PrivacyError for the contract of a recipe of sums: its sensitivities are not the privacy plan's to say
    (`federation.audits.sums.claimed`).
    """
    if privacy.stages:
        return _sums(privacy, kind)
    if kind == "contract":
        return _contract(privacy)
    run = _epsilon(privacy, privacy.rounds + privacy.spare_rounds)
    if kind == "one-run":
        return Claims({Check.ONE_RUN: Claimed((run,), AGREEMENT, bound=True)}, (Check.ONE_RUN,))
    ledger = _epsilon(privacy, min(REHEARSED["canary"], privacy.rounds))
    checks: dict[str, float] = {
        Check.CANARY_GOOD: run,
        Check.CANARY_BAD: run,
        Check.LEDGER: ledger,
        Check.COUNTED: _epsilon(privacy, 1),
    }
    bounds = {check: Claimed((value,), AGREEMENT, bound=True) for check, value in checks.items()}
    return Claims(bounds, (Check.CANARY_GOOD, Check.CANARY_BAD))


def _sums(privacy: PrivacyPlan, kind: Kind) -> Claims:
    """Of a recipe of sums: the run as planned, and what this member's own noise promises by itself."""
    if kind == "contract":
        raise PrivacyError("kind", got=kind, expected="canary or one-run, of a recipe of sums")
    planned = range(1, privacy.rounds + 1)
    run = [*planned, *[privacy.rounds + 1] * privacy.spare_rounds]
    if kind == "one-run":
        own = spent([_own(privacy, number) for number in run], privacy.delta)
        return Claims({Check.ONE_RUN: Claimed((own,), AGREEMENT, bound=True)}, (Check.ONE_RUN,))
    firsts = [1 + sum(stage.rounds for stage in privacy.stages[:at]) for at in range(len(privacy.stages))]
    asked = sorted({*firsts, privacy.rounds})
    largest = max(range(len(firsts)), key=lambda at: privacy.stages[at].rounds)
    whole = spent([privacy.round_event(number) for number in run], privacy.delta)
    checks: dict[str, float] = {
        Check.CANARY_GOOD: whole,
        Check.CANARY_BAD: whole,
        Check.LEDGER: spent([privacy.round_event(number) for number in asked], privacy.delta),
        Check.COUNTED: spent([_own(privacy, firsts[largest])], privacy.delta),
    }
    bounds = {check: Claimed((value,), AGREEMENT, bound=True) for check, value in checks.items()}
    return Claims(bounds, (Check.CANARY_GOOD, Check.CANARY_BAD))


def _own(privacy: PrivacyPlan, number: int) -> GaussianEvent:
    """A release beside this member's noise alone."""
    return GaussianEvent(1.0, float(privacy.noise_share(number)), 1)


def _contract(privacy: PrivacyPlan) -> Claims:
    clip, steps = privacy.clip, float(privacy.steps_per_round)
    stated = tuple(_epsilon(privacy, count) for count in range(1, min(REHEARSED["contract"], privacy.rounds) + 1))
    checks: dict[str, Claimed] = {
        Check.SENSITIVITY: Claimed((clip,), tolerance=_BLUR * clip),
        Check.CLIP_PER_RECORD: Claimed((0.0,), tolerance=_RECORDS * _BLUR * clip),
        Check.NOISE_SOURCE: Claimed((0.0,), tolerance=1e-3),
        Check.NOISE_SCALE: Claimed((privacy.noise_multiplier * clip,)),
        Check.STEPS: Claimed((steps,), tolerance=1e-3 * steps),
        Check.ROUNDS: Claimed((0.0,)),
        Check.RATE: Claimed((privacy.sampling_rate,)),
        Check.INCLUSIONS: Claimed((1.0,)),
        Check.RELEASES: Claimed((float(privacy.round_event().steps),), tolerance=0.0),
        Check.COMPOSITION: Claimed(stated, AGREEMENT, tolerance=AGREEMENT * (1 + AGREEMENT) * max(stated)),
        Check.GROWTH: Claimed((0.0,), tolerance=0.0),
    }
    return Claims(checks, (Check.COMPOSITION,))


def _epsilon(privacy: PrivacyPlan, rounds: int) -> float:
    return spent([privacy.round_event()] * rounds, privacy.delta)
