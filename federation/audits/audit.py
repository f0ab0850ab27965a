"""One audit, of whichever kind: from a subject and the auditor's seed to a report.

>>> KINDS
('contract', 'canary', 'one-run')
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from federation.audits.canary import check_canary
from federation.audits.contract import check_contract
from federation.audits.finding import Check, Finding
from federation.audits.one_run import check_one_run
from federation.audits.subject import Subject
from federation.audits.sums.canary import check_sums_canary
from federation.audits.sums.contract import check_sums
from federation.audits.sums.one_run import check_sums_one_run
from federation.audits.sums.subject import SumSubject

Kind = Literal["contract", "canary", "one-run"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_Checks = Callable[[Subject, np.random.Generator], tuple[Finding, ...]]
_SumChecks = Callable[[SumSubject, np.random.Generator], tuple[Finding, ...]]
_CHECKS: Mapping[Kind, _Checks] = MappingProxyType(
    {"contract": check_contract, "canary": check_canary, "one-run": check_one_run}
)
_SUM_CHECKS: Mapping[Kind, _SumChecks] = MappingProxyType(
    {"contract": check_sums, "canary": check_sums_canary, "one-run": check_sums_one_run}
)
# Whose epsilons stand for the audit as a whole: the contract's is all releases composed, the others' are lower bounds.
_HEADLINES = (Check.COMPOSITION, Check.CANARY_GOOD, Check.CANARY_BAD, Check.ONE_RUN)


@dataclass(frozen=True)
class Report:
    """What an audit of `kind` found. `findings` is never empty."""

    kind: Kind
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    @property
    def headline(self) -> Finding:
        """The finding whose claimed and measured epsilon stand for the audit: the largest that was measured."""
        return max((found for found in self.findings if found.check in _HEADLINES), key=lambda found: found.measured)


def audit(subject: Subject | SumSubject, kind: Kind, seed: bytes) -> Report:
    """Run the checks of `kind` on records and models drawn from `seed`; noise and sampling are production's own."""
    generator = np.random.default_rng(np.frombuffer(seed, dtype=np.uint8).astype(np.uint32))
    if isinstance(subject, SumSubject):
        return Report(kind, _SUM_CHECKS[kind](subject, generator))
    return Report(kind, _CHECKS[kind](subject, generator))
