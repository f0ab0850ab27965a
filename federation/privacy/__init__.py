"""Differential privacy: plan, mechanism, accounting, noise. A mechanism and its privacy event come from one object.

`PrivacyPlan.calibrate(epsilon=1.0, delta=1e-5)` is where to start; `federation.privacy.mechanism` needs torch and is
imported when a plan builds one.
"""

from federation.privacy.accounting import Claims, epsilons
from federation.privacy.event import DiscreteGaussianEvent, GaussianEvent, SharedGaussianEvent
from federation.privacy.noise import NoiseSource, OsNoise, SeededNoise
from federation.privacy.plan import PrivacyPlan
from federation.privacy.records import check_delta, check_enough_records, noise_level
from federation.privacy.stages import SharedNoise, StageBudget

__all__ = [
    "Claims",
    "DiscreteGaussianEvent",
    "GaussianEvent",
    "NoiseSource",
    "OsNoise",
    "PrivacyPlan",
    "SeededNoise",
    "SharedGaussianEvent",
    "SharedNoise",
    "StageBudget",
    "check_delta",
    "check_enough_records",
    "epsilons",
    "noise_level",
]
