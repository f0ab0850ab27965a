"""The ten steps of verification, in their order. Each looks at the same case and is told every entry once."""

from clients.regulator.steps.base import Step
from clients.regulator.steps.caps import CapsStep
from clients.regulator.steps.chains import ChainStep
from clients.regulator.steps.consistency import ConsistencyStep
from clients.regulator.steps.epsilon import EpsilonStep
from clients.regulator.steps.inclusion import InclusionStep
from clients.regulator.steps.manifest import ManifestStep
from clients.regulator.steps.person import PersonStep
from clients.regulator.steps.quorum import QuorumStep
from clients.regulator.steps.rounds import RoundStep
from clients.regulator.steps.signatures import SignatureStep

STEPS: tuple[type[Step], ...] = (
    ManifestStep,
    SignatureStep,
    ChainStep,
    InclusionStep,
    ConsistencyStep,
    QuorumStep,
    EpsilonStep,
    CapsStep,
    RoundStep,
    PersonStep,
)

__all__ = ["STEPS", "Step"]
