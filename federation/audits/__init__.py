"""Audits of the trainer that serves production: what the signed plan claims against what can be measured.

    report = audit(subject, "contract", seed)
    assert report.passed

`Subject` says what is audited; `docs/audits.md` says what each kind catches and what it misses.
"""

from federation.audits.audit import KINDS, Kind, Report, audit
from federation.audits.finding import Check, Finding
from federation.audits.instrument import Bench, Build, Claim, RoundTrainer
from federation.audits.subject import Subject, seeded_records
from federation.audits.sums.subject import SumBench, SummingTrainer, SumSubject

__all__ = [
    "KINDS",
    "Bench",
    "Build",
    "Check",
    "Claim",
    "Finding",
    "Kind",
    "Report",
    "RoundTrainer",
    "Subject",
    "SumBench",
    "SumSubject",
    "SummingTrainer",
    "audit",
    "seeded_records",
]
