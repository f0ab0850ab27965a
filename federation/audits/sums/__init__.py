"""Audits of recipes of sums, stage by stage."""

from federation.audits.sums.subject import SumBench, SummingTrainer, SumSubject

__all__ = ["SumBench", "SumSubject", "SummingTrainer"]
