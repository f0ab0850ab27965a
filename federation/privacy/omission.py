"""What becomes of epsilon where members leave out their share of the noise.

Under shared noise a sum has the noise of those who add theirs, and whoever knows a share subtracts it. Each share is
1 / (K - c - d) of the variance that the guarantee needs, so a member that adds nothing is, for the others, what a
colluder is: with c provided for, omitters and colluders may be c together at no price.

>>> from federation.privacy.stages import SharedNoise
>>> five = SharedNoise(members=5, colluders=1)
>>> plan = PrivacyPlan.calibrate_sums(epsilon=1.0, delta=1e-5, rounds=[30], shares=[1.0], sharing=five)
>>> found = omission(plan)
>>> [round(epsilon, 2) for epsilon in (found.public, found.colluding, found.unprovided)]
[1.0, 1.17, 1.13]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from federation.errors import PrivacyError
from federation.privacy.accounting import spent
from federation.privacy.plan import PrivacyPlan


@dataclass(frozen=True)
class Omission:
    """Epsilons (PLD, at the plan's delta) of all that the plan may release, where `omitting` members add nothing.

    public      to those who see sums alone, when as many members drop out as the plan provides for
    colluding   to its c colluders as well, who know their own shares
    unprovided  to those who see sums alone, had each of K members added 1/K of the variance and nobody dropped out
    """

    members: int
    omitting: int
    public: float
    colluding: float
    unprovided: float
    colluders: int

    def __str__(self) -> str:
        """For people who read a report."""
        leave = "leaves out its share" if self.omitting == 1 else "leave out their shares"
        collude = "1 that colludes" if self.colluders == 1 else f"{self.colluders} that collude"
        return (
            f"epsilon of the run if {self.omitting} of {self.members} members {leave} of the noise: "
            f"{self.public:.2f} to who sees sums alone, {self.colluding:.2f} to {collude}"
        )


def omission(privacy: PrivacyPlan, omitting: int = 1) -> Omission:
    """What `omitting` members' missing shares do to a plan that shares noise; infinite where none is left.

    Raises PrivacyError for a plan that shares none, or a number of members that there are not.
    """
    sharing = privacy.sharing
    if sharing is None:
        raise PrivacyError("privacy.sharing", got=None, expected="a plan whose noise is shared")
    if not 0 <= omitting <= sharing.members:
        raise PrivacyError("omitting", got=omitting, expected=f"0 to {sharing.members}")
    present = sharing.members - omitting
    return Omission(
        sharing.members,
        omitting,
        public=_epsilon(privacy, present - sharing.droppers, sharing.provision),
        colluding=_epsilon(privacy, present - sharing.droppers - sharing.colluders, sharing.provision),
        unprovided=_epsilon(privacy, present, sharing.members),
        colluders=sharing.colluders,
    )


def _epsilon(privacy: PrivacyPlan, shares: int, needed: int) -> float:
    """With so many shares of noise, of which the plan's multipliers need `needed`."""
    if shares < 1:
        return math.inf
    factor = math.sqrt(shares / needed)
    events = [replace(event, noise_multiplier=factor * event.noise_multiplier) for event in privacy.events()]
    return spent(events, privacy.delta)
