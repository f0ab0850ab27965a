"""From a roster and a catalogue to the plan that everybody is asked to sign. Pure, but for the accountants' CPU.

plan = build_plan(roster, load_catalogue("taiwan"), PlanOptions(run_id="2030-spring", ...))
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from federation.catalogue import Catalogue
from federation.delta import default_delta
from federation.errors import ConfigurationError, PrivacyError
from federation.privacy import PrivacyPlan, check_delta, check_enough_records
from federation.privacy.stages import SharedNoise
from federation.rounds import CatalogueRef, Member, TrainingPlan
from federation.rounds.plan import AnyRecipe, replayable
from federation.training import Recipe
from federation.training import dimension as dimension_of
from federation.training.recipe import noise_of
from federation.training.sums import SumRecipe, sum_model
from server.choices import LEAST_SHARING, Method, Noise, NoiseChoice, choose_noise

WEEK_S = 7 * 86_400
MIN_BATCH = 1.0


@dataclass(frozen=True)
class PlanOptions:
    """What the coordinator's operator chooses; everything else follows from roster and catalogue.

    coordinator       the coordinator's signing key (hex)
    now               Unix time (s); the plan expires `lifetime_s` later
    delta             None: 1 / (10 x the largest nominal size), at most 1e-5
    evaluation_share  of the budget's mu^2 that the evaluation release takes; 0 for none
    spare_rounds      paid for on top, so that a node killed in a round can do it again
    quorum            of local noise; None: all members but one, at least 2 where there are 2. Under shared noise it is
                      all members but `droppers`
    recipe            None: that of `method`, or the default one for this budget and these sizes
    method            "fedavg": federated averaging; "a", "g", "gp": a recipe of sums (docs/recipes.md); None: federated
                      averaging under local noise, under secure aggregation pairs where the noise is low enough
    noise             "local": every member adds all its noise; "secagg": shares of it, under masks; None: "secagg" for
                      three members or more, unless federated averaging or a quorum is asked for
    rounds, steps_per_round, sampling_rate, clip   of federated averaging; None: 20, 5, .2, .5
    droppers          members whose answer a masked round may do without; every one costs accuracy (docs/secagg.md)
    colluders         members that may put together what they know; 1 is the member itself
    force             go on with too few records
    overseen          the log names a regulator: rounds of a family that can be replayed will be
    """

    run_id: str
    coordinator: str
    bundle_hash: str
    now: float
    epsilon: float = 1.0
    delta: float | None = None
    rounds: int | None = None
    steps_per_round: int | None = None
    sampling_rate: float | None = None
    clip: float | None = None
    spare_rounds: int = 2
    evaluation_share: float = 0.05
    quorum: int | None = None
    round_deadline_s: float = 120.0
    lifetime_s: float = WEEK_S
    recipe: AnyRecipe | None = None
    method: Method | None = None
    noise: Noise | None = None
    droppers: int = 0
    colluders: int = 1
    force: bool = False
    overseen: bool = False

    @property
    def averaging(self) -> dict[str, Any]:
        """What is said that only federated averaging has."""
        said = {name: getattr(self, name) for name in ("rounds", "steps_per_round", "sampling_rate", "clip")}
        return {name: value for name, value in said.items() if value is not None}

    def choice(self, members: int) -> NoiseChoice:
        """Whose noise, for so many members, and why."""
        return choose_noise(self.noise, members, self._contradiction(members))

    def sharing_for(self, members: int) -> SharedNoise | None:
        """Who shares the noise; None under local noise. Raises PrivacyError for members too few to."""
        if self.choice(members).noise == "local":
            return None
        return shared_by(members, self.colluders, self.droppers)

    def _contradiction(self, members: int) -> str | None:
        """What is asked for that shared noise has not."""
        if self.method == "fedavg" or isinstance(self.recipe, Recipe):
            return "federated averaging was asked for"
        if self.averaging:
            return f"what only federated averaging has was asked for ({', '.join(self.averaging)})"
        if self.quorum not in (None, members - self.droppers):
            return f"a quorum of {self.quorum} was asked for"
        return None


def shared_by(members: int, colluders: int = 1, droppers: int = 0) -> SharedNoise:
    """Noise in shares among so many. Raises PrivacyError for too few of them."""
    if members < LEAST_SHARING:
        expected = f"at least {LEAST_SHARING}: of two, each would know the other's part of a sum"
        raise PrivacyError("plan.noise", got=f"secagg among {members} institutions", expected=expected)
    return SharedNoise(members=members, colluders=colluders, droppers=droppers)


def build_plan(roster: Sequence[Member], catalogue: Catalogue, options: PlanOptions) -> TrainingPlan:
    """The plan, unsigned.

    Raises PrivacyError (delta too large for a member's nominal size, members too few to share noise), TooFewRecords
    (the figures in it) unless forced, ConfigurationError (names, keys, quorum, a recipe that does not fit the noise).
    """
    members = tuple(sorted(roster, key=lambda member: member.institution))
    sizes = [member.nominal_records for member in members]
    delta = options.delta if options.delta is not None else default_delta(sizes)
    check_delta(delta, sizes)
    sharing = options.sharing_for(len(sizes))
    check_enough_records(options.epsilon, delta, sizes, sharing=sharing, force=options.force)
    recipe, privacy = _by_sums(catalogue, options, delta, sizes) or _by_averaging(catalogue, options, delta, sizes)
    return TrainingPlan(
        run_id=options.run_id,
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        recipe=recipe,
        privacy=privacy,
        members=members,
        coordinator=options.coordinator,
        quorum=_quorum(options, len(members), sharing),
        round_deadline_s=options.round_deadline_s,
        bundle_hash=options.bundle_hash,
        max_update_norm=_norm_bound(catalogue, recipe, privacy, sizes),
        expires=int(options.now + options.lifetime_s),
        replay=options.overseen and replayable(recipe),
    )


def _by_averaging(
    catalogue: Catalogue, options: PlanOptions, delta: float, sizes: Sequence[int]
) -> tuple[AnyRecipe, PrivacyPlan]:
    privacy = PrivacyPlan.calibrate(
        epsilon=options.epsilon,
        delta=delta,
        spare_rounds=options.spare_rounds,
        evaluation_share=options.evaluation_share,
        distribution=noise_of(options.recipe.family if options.recipe else "additive"),
        **options.averaging,
    )
    return options.recipe or Recipe.default(catalogue, privacy, sizes), privacy


def _by_sums(
    catalogue: Catalogue, options: PlanOptions, delta: float, sizes: Sequence[int]
) -> tuple[AnyRecipe, PrivacyPlan] | None:
    """None where federated averaging is asked for. Raises ConfigurationError for it under secure aggregation."""
    sharing = options.sharing_for(len(sizes))
    recipe = options.recipe
    if recipe is None and options.method in ("a", "g", "gp"):
        recipe = SumRecipe.of(options.method)
    elif recipe is None and options.method is None and sharing is not None:
        recipe = SumRecipe.default(catalogue, options.epsilon, delta, sizes, sharing)
    if isinstance(recipe, SumRecipe):
        if options.averaging:
            expected = f"none of them: recipe {recipe.method} fixes its rounds"
            raise ConfigurationError("plan", got=", ".join(options.averaging), expected=expected)
        return recipe, recipe.calibrate(
            epsilon=options.epsilon,
            delta=delta,
            sharing=sharing,
            spare_rounds=options.spare_rounds,
            evaluation_share=options.evaluation_share,
        )
    if sharing is not None:
        expected = "a recipe of sums (a, g, gp): under shared noise a round is one release"
        raise ConfigurationError("plan.recipe", got="federated averaging", expected=expected)
    return None


def _norm_bound(catalogue: Catalogue, recipe: AnyRecipe, privacy: PrivacyPlan, sizes: Sequence[int]) -> float:
    if isinstance(recipe, SumRecipe):
        model = sum_model(catalogue, recipe, privacy, sizes)
        return max(model.bound(number, max(sizes)) for number in range(1, len(model.rounds) + 1))
    return update_norm_bound(recipe, privacy, min(sizes), dimension_of(catalogue, recipe))


def _quorum(options: PlanOptions, members: int, sharing: SharedNoise | None) -> int:
    if sharing is None:
        return options.quorum if options.quorum is not None else default_quorum(members)
    if options.quorum not in (None, sharing.fewest):
        expected = f"{sharing.fewest}, all members but {sharing.droppers} droppers: shared noise counts on them"
        raise ConfigurationError("plan.quorum", got=options.quorum, expected=expected)
    return sharing.fewest


def trust(plan: TrainingPlan) -> str:
    """Under which assumption the plan's epsilon holds, in a sentence for people."""
    sharing = plan.privacy.sharing
    if sharing is None:
        return (
            "every institution adds all the noise its own guarantee needs, and need trust nobody; the coordinator sees "
            "every institution's noisy update"
        )
    drop = f"; {sharing.droppers} may drop out of a round" if sharing.droppers else ""
    return (
        f"the coordinator sees sums, and no institution's update; an epsilon holds against the coordinator and any "
        f"{sharing.colluders} of the {sharing.members} institutions together, if the others add their shares of the "
        f"noise{drop}"
    )


def explain(plan: TrainingPlan, because: str) -> str:
    """Whose noise a plan has, why, and what its epsilon rests on: one line for people."""
    noise = "local" if plan.privacy.sharing is None else "shared under secure aggregation"
    return f"noise: {noise}, because {because}; {trust(plan)}"


def method_of(recipe: AnyRecipe) -> Method:
    """The method's name."""
    return recipe.method if isinstance(recipe, SumRecipe) else "fedavg"


def default_quorum(members: int) -> int:
    """All but one, at least 2 of 2 or 3; the only one of 1."""
    return min(members, max(2, members - 1))


def update_norm_bound(recipe: Recipe, privacy: PrivacyPlan, smallest: int, dimension: int) -> float:
    """An L2 norm that no honest update exceeds, from public figures only.

    The change of a round is the sum over its T steps of c_k lr (signal + noise) / (q N); c_k = (1 - m^k) / (1 - m) is
    how often momentum m repeats a step. The signal is at most clip x the realised batch, taken as at most 1.5 q N; the
    noise adds up in quadrature to clip x sigma x |c|, and its norm in d dimensions exceeds that by more than
    sqrt(d) + 8 with probability below 1e-14 (concentration of the chi distribution). Honest updates lie far below:
    their gradients do not all point the same way. What a member can do within the bound is stated in docs/rounds.md.
    """
    batch = max(privacy.sampling_rate * smallest, MIN_BATCH)
    momentum = recipe.momentum
    repeats = [(1 - momentum**k) / (1 - momentum) for k in range(1, privacy.steps_per_round + 1)]
    signal = 1.5 * sum(repeats)
    noise = privacy.noise_multiplier * (math.sqrt(dimension) + 8.0) * math.hypot(*repeats) / batch
    return recipe.learning_rate * privacy.clip * (signal + noise)
