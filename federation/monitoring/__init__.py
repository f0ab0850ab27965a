"""Watching a model in use: stability of scores and features, performance by vintage, champion against challenger.

Pure. What leaves an institution is one charged, signed release for each vintage and model (`MonitoringRelease`); all
else here is post-processing of such releases. docs/monitoring.md.
"""

from federation.monitoring.drift import Contest, Drift, contest, drift
from federation.monitoring.marginals import Marginals, Noisy, StabilitySpec
from federation.monitoring.release import MonitoringRelease, Vintage, together
from federation.monitoring.stability import Stability, Verdict, judged, stability

__all__ = [
    "Contest",
    "Drift",
    "Marginals",
    "MonitoringRelease",
    "Noisy",
    "Stability",
    "StabilitySpec",
    "Verdict",
    "Vintage",
    "contest",
    "drift",
    "judged",
    "stability",
    "together",
]
