"""The privacy plan: one frozen value from which both the mechanism and its privacy event are made.

>>> plan = PrivacyPlan.calibrate(epsilon=1.0, delta=1e-5)
>>> round(plan.noise_multiplier, 2), plan.claims().pld <= 1.0
(7.63, True)
>>> PrivacyPlan.from_json(plan.to_json()) == plan
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from federation.errors import PrivacyError
from federation.privacy.accounting import Claims, epsilons, spent
from federation.privacy.calibration import calibrate_multiplier, evaluation_multiplier
from federation.privacy.event import DiscreteGaussianEvent, GaussianEvent, SharedGaussianEvent
from federation.privacy.stages import (
    MAX_MULTIPLIER,
    SharedNoise,
    StageBudget,
    calibrate_stages,
    share_of,
    spare_multiplier,
)
from federation.runtime.wording import read_model

if TYPE_CHECKING:
    from federation.privacy.mechanism import GaussianMechanism
    from federation.privacy.noise import NoiseSource


Distribution: TypeAlias = Literal["gaussian", "discrete_gaussian"]
# Within these bounds the accountants answer in less than a second and the mechanism's arithmetic is exact to rounding.
MAX_STEPS, MAX_STAGES = 100_000, 16


class PrivacyPlan(BaseModel):
    """What one institution may spend on one run, and how. The unit of protection is one record.

    epsilon, delta         the budget of the WHOLE run, evaluation and spare rounds included
    sampler                "poisson": every record takes part in a step independently with probability `sampling_rate`;
                           "full": every record takes part (`sampling_rate` is 1, nothing is amplified)
    noise_multiplier       standard deviation of the noise on a sum of clipped gradients, over `clip`
    clip                   largest L2 norm of one record's gradient
    rounds, spare_rounds   planned, and paid for on top so that a lost round can be run again
    evaluation_multiplier  noise of the one full-batch evaluation release, its sensitivity being 1; None: no release
    distribution           "discrete_gaussian": integers, exact and replayable, for the additive family; "gaussian":
                           floating point, for networks
    noise                  "local": every institution adds all the noise its own guarantee needs; "secagg": each adds a
                           share of it under masks, and only the sum has it
    stages                 of a recipe of sums (docs/recipes.md): its rounds in order, each one full-batch release of a
                           sum whose sensitivity the recipe knows (`clip` is 1, and `noise_multiplier` that of a spare
                           round: one of the stage whose rounds cost most); empty for federated averaging
    sharing                under "secagg": who shares the noise, who may collude, who may drop out

    Raises PrivacyError (through `from_json`) beyond the bounds of the fields, or with more than 100,000 steps in all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    epsilon: float = Field(gt=0, le=100)
    delta: float = Field(ge=1e-15, lt=0.1)
    adjacency: Literal["add_or_remove_one"] = "add_or_remove_one"
    sampler: Literal["poisson", "full"] = "poisson"
    sampling_rate: float = Field(ge=1e-6, le=1)
    noise_multiplier: float = Field(gt=0, le=MAX_MULTIPLIER, allow_inf_nan=False)
    clip: float = Field(ge=1e-3, le=1e3, allow_inf_nan=False)
    steps_per_round: int = Field(ge=1, le=MAX_STEPS)
    rounds: int = Field(ge=1, le=MAX_STEPS)
    spare_rounds: int = Field(default=0, ge=0, le=MAX_STEPS)
    evaluation_multiplier: float | None = Field(default=None, gt=0, le=MAX_MULTIPLIER, allow_inf_nan=False)
    distribution: Distribution = "discrete_gaussian"
    noise: Literal["local", "secagg"] = "local"
    stages: tuple[StageBudget, ...] = Field(default=(), strict=False, max_length=MAX_STAGES)
    sharing: SharedNoise | None = None

    @model_validator(mode="after")
    def _sampler_matches_rate(self) -> Self:
        if (self.sampler == "full") != (self.sampling_rate == 1.0):
            raise PrivacyError(
                "privacy.sampler",
                got=f"{self.sampler} at sampling_rate {self.sampling_rate}",
                expected="poisson below 1, or full at exactly 1: only Poisson sampling amplifies",
            )
        return self

    @model_validator(mode="after")
    def _stages_are_the_rounds(self) -> Self:
        if (self.noise == "secagg") != (self.sharing is not None) or (self.sharing and not self.stages):
            raise PrivacyError(
                "privacy.sharing",
                got=f"noise {self.noise}, {len(self.stages)} stages, sharing {self.sharing}",
                expected="a sharing and stages under secagg, no sharing under local noise",
            )
        if not self.stages:
            return self
        rounds, spare = sum(stage.rounds for stage in self.stages), spare_multiplier(self.stages)
        shape = (self.rounds, self.steps_per_round, self.sampling_rate, self.clip, self.noise_multiplier)
        if shape != (rounds, 1, 1.0, 1.0, spare) or self.distribution != "discrete_gaussian":
            raise PrivacyError(
                "privacy.stages",
                got=f"rounds, steps, rate, clip, multiplier {shape}, {self.distribution}",
                expected=f"{(rounds, 1, 1.0, 1.0, spare)}, discrete_gaussian",
            )
        return self

    @model_validator(mode="after")
    def _steps_can_be_accounted(self) -> Self:
        if self.steps > MAX_STEPS:
            raise PrivacyError("privacy.rounds", got=f"{self.steps} steps in all", expected=f"at most {MAX_STEPS}")
        return self

    @classmethod
    def calibrate(
        cls,
        *,
        epsilon: float,
        delta: float,
        rounds: int = 20,
        steps_per_round: int = 5,
        sampling_rate: float = 0.2,
        clip: float = 0.5,
        spare_rounds: int = 0,
        evaluation_share: float = 0.0,
        distribution: Distribution = "discrete_gaussian",
    ) -> PrivacyPlan:
        """The plan with the least noise whose PLD epsilon is at most `epsilon`, all releases together.

        `evaluation_share` is the part of the Gaussian-DP mu^2 of the budget that the evaluation release takes.
        Raises PrivacyError for a budget that no noise can keep.
        """
        evaluation = evaluation_multiplier(epsilon, delta, evaluation_share)
        steps = (rounds + spare_rounds) * steps_per_round
        return cls.from_json(
            {
                "epsilon": epsilon,
                "delta": delta,
                "sampler": "full" if sampling_rate == 1 else "poisson",
                "sampling_rate": sampling_rate,
                "noise_multiplier": calibrate_multiplier(epsilon, delta, sampling_rate, steps, evaluation),
                "clip": clip,
                "steps_per_round": steps_per_round,
                "rounds": rounds,
                "spare_rounds": spare_rounds,
                "evaluation_multiplier": evaluation,
                "distribution": distribution,
            },
        )

    @classmethod
    def calibrate_sums(
        cls,
        *,
        epsilon: float,
        delta: float,
        rounds: Sequence[int],
        shares: Sequence[float],
        spare_rounds: int = 0,
        evaluation_share: float = 0.0,
        sharing: SharedNoise | None = None,
    ) -> PrivacyPlan:
        """The plan of a recipe of sums: stage i has rounds[i] releases and takes shares[i] of what evaluation leaves.

        Shares are of the Gaussian-DP mu^2 and add up to 1. `sharing` is that of secure aggregation, None for local
        noise. Raises PrivacyError for shares that do not, or a budget that no noise can keep.
        """
        evaluation = evaluation_multiplier(epsilon, delta, evaluation_share)
        stages = calibrate_stages(epsilon, delta, rounds, shares, spare_rounds, evaluation)
        return cls.from_json(
            {
                "epsilon": epsilon,
                "delta": delta,
                "sampler": "full",
                "sampling_rate": 1.0,
                "noise_multiplier": spare_multiplier(stages),
                "clip": 1.0,
                "steps_per_round": 1,
                "rounds": sum(rounds),
                "spare_rounds": spare_rounds,
                "evaluation_multiplier": evaluation,
                "noise": "local" if sharing is None else "secagg",
                "stages": stages,
                "sharing": sharing,
            },
        )

    @property
    def steps(self) -> int:
        """Of training, in all: planned and spare rounds."""
        return self.steps_per_round * (self.rounds + self.spare_rounds)

    def round_event(self, round_number: int = 1) -> GaussianEvent:
        """What training round `round_number` (from 1) costs; one beyond the planned rounds is a spare one.

        Under secure aggregation this is the event of the whole sum, as those see it whom the sharing provides for.
        """
        return self._event(self.sampling_rate, self._multiplier(round_number), self.steps_per_round)

    def noise_share(self, round_number: int = 1) -> Fraction:
        """Standard deviation of the noise that one member adds in that round, over the sensitivity.

        All of it under local noise; under secure aggregation, so much that the members who neither collude nor drop
        out add all of it together, rounded up.
        """
        multiplier = self._multiplier(round_number)
        return Fraction(multiplier) if self.sharing is None else share_of(multiplier, self.sharing.provision)

    def evaluation_noise_share(self) -> Fraction:
        """The same of the evaluation release. Raises PrivacyError where the plan has none."""
        if self.evaluation_multiplier is None:
            raise PrivacyError("privacy.evaluation_multiplier", got=None, expected="a plan with an evaluation release")
        multiplier = self.evaluation_multiplier
        return Fraction(multiplier) if self.sharing is None else share_of(multiplier, self.sharing.provision)

    def _multiplier(self, round_number: int) -> float:
        if round_number < 1:
            raise PrivacyError("privacy.round", got=round_number, expected="1 or more")
        for stage in self.stages:
            if round_number <= stage.rounds:
                return stage.noise_multiplier
            round_number -= stage.rounds
        return self.noise_multiplier

    def evaluation_event(self) -> GaussianEvent | None:
        """What the evaluation release costs; None where the plan has none."""
        return None if self.evaluation_multiplier is None else self._event(1.0, self.evaluation_multiplier, 1)

    def events(self) -> tuple[GaussianEvent, ...]:
        """Everything that the plan may release: planned and spare rounds, and the evaluation."""
        evaluation = self.evaluation_event()
        training = [(self.noise_multiplier, self.steps)]
        if self.stages:
            training = [(stage.noise_multiplier, stage.rounds) for stage in self.stages]
            training += [(self.noise_multiplier, self.spare_rounds)] if self.spare_rounds else []
        return (
            *(self._event(self.sampling_rate, multiplier, steps) for multiplier, steps in training),
            *(() if evaluation is None else (evaluation,)),
        )

    def _event(self, sampling_rate: float, multiplier: float, steps: int) -> GaussianEvent:
        kind = DiscreteGaussianEvent if self.distribution == "discrete_gaussian" else GaussianEvent
        if self.sharing is not None:
            kind = SharedGaussianEvent
        return kind(sampling_rate, multiplier, steps)

    def claims(self) -> Claims:
        """The epsilons of `events()` at the plan's delta."""
        return epsilons(self.events(), self.delta)

    def check(self) -> None:
        """Recompute the epsilon instead of believing it. Raises PrivacyError if the plan spends more than it says."""
        claimed = spent(self.events(), self.delta)
        if claimed > self.epsilon:
            raise PrivacyError("privacy.epsilon", got=f"{claimed:.4f} by PLD", expected=f"at most {self.epsilon}")

    def mechanism(self, noise: NoiseSource) -> GaussianMechanism:
        """The mechanism of one training round; its `event` is `round_event()`."""
        return self._mechanism(self.round_event(), self.clip, noise)

    def evaluation(self, noise: NoiseSource) -> GaussianMechanism:
        """The mechanism of the evaluation release: vectors that one record moves by at most 1 in L2 norm.

        Raises PrivacyError where the plan has no evaluation release.
        """
        event = self.evaluation_event()
        if event is None:
            raise PrivacyError("privacy.evaluation_multiplier", got=None, expected="a plan with an evaluation release")
        return self._mechanism(event, 1.0, noise)

    def _mechanism(self, event: GaussianEvent, clip: float, noise: NoiseSource) -> GaussianMechanism:
        from federation.privacy.exact import ExactMechanism
        from federation.privacy.mechanism import GaussianMechanism

        made = ExactMechanism if self.distribution == "discrete_gaussian" else GaussianMechanism
        return made(event, clip=clip, noise=noise)

    def to_json(self) -> dict[str, Any]:
        """Plain values for canonical JSON; what only recipes of sums have is left out where it says nothing."""
        silent = {name for name in ("stages", "sharing") if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=silent)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PrivacyPlan:
        """The plan in `value`. Raises PrivacyError for an unknown, missing or impossible field."""
        return read_model(cls, value, PrivacyError, "privacy")
