"""Subjects of audits of sums: the institution's own trainer, under plans of few rounds."""

from __future__ import annotations

from functools import cache

from benchmarks.audits.plans import ROUNDS, THREE, sum_plan
from clients.institution.audits import subject_of
from federation.audits import SumSubject
from federation.catalogue import load_catalogue
from federation.privacy import OsNoise, SharedNoise
from federation.training.sums.recipe import Method

__all__ = ["ROUNDS", "THREE", "sum_plan"]


@cache
def sum_subject(method: Method = "gp", sharing: SharedNoise | None = THREE, epsilon: float = 1.0) -> SumSubject:
    """As `fedscore institution audit` makes it of this plan."""
    subject = subject_of(load_catalogue("taiwan"), sum_plan(method, sharing, epsilon), "bank-a", OsNoise())
    assert isinstance(subject, SumSubject)
    return subject
