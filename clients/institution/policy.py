"""What an institution agrees to before it puts its name under a plan. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from federation.errors import FederationError, PrivacyError, Refused
from federation.ledger import Caps
from federation.privacy import PrivacyPlan, check_delta
from federation.rounds import Code, Member, TrainingPlan

LEAST_MULTIPLIER = 0.5
BEYOND_DELTA = 10


@dataclass(frozen=True)
class Policy:
    """The institution's own settings, beside the caps of its ledger.

    nominal_records  the public size it goes by; a plan that states another one is refused
    bundles          answers the SHA-256 (hex) of the Flower bundles it runs, as they are now
    features         the features it holds, None for all of the catalogue's
    families         of models that it trains
    approval         "within_policy" signs what keeps every rule; "manual" waits for a person
    vintage          which data this is, for the ledger: a label such as "2025-12", never a count
    """

    nominal_records: int
    bundles: Callable[[], frozenset[str]]
    features: tuple[str, ...] | None = None
    families: tuple[str, ...] = ("additive",)
    approval: Literal["within_policy", "manual"] = "within_policy"
    vintage: str = "current"


def check_policy(plan: TrainingPlan, member: Member, policy: Policy, caps: Caps, *, now: float) -> None:
    """Raises Refused unless

    1. the plan has not expired                                              plan_expired
    2. its bundle is one that this institution allows                        wrong_bundle
    3. its size and features of this institution are the institution's own   outside_policy
    4. its model is of a family that the institution trains                  outside_policy
    5. its budget is within the caps; its delta and the caps' fit the size   outside_policy
    6. noise, not delta, pays for what it releases                           outside_policy
    7. it spends no more than it says, recomputed                            outside_policy
    """
    if now >= plan.expires:
        raise Refused(Code.PLAN_EXPIRED, "plan.expires", got=plan.expires, expected=f"after {int(now)}")
    if plan.bundle_hash not in policy.bundles():
        raise Refused(Code.WRONG_BUNDLE, "plan.bundle_hash", got=plan.bundle_hash, expected="a bundle allowed here")
    if member.nominal_records != policy.nominal_records:
        raise _outside("plan.members.nominal_records", member.nominal_records, policy.nominal_records)
    if policy.features is not None and set(member.features) != set(policy.features):
        raise _outside("plan.members.features", len(member.features), f"the {len(policy.features)} held here")
    if plan.recipe.family not in policy.families:
        raise _outside("plan.recipe.family", plan.recipe.family, " or ".join(policy.families))
    if plan.privacy.epsilon > caps.run:
        raise _outside("plan.privacy.epsilon", plan.privacy.epsilon, f"at most {caps.run}")
    if plan.privacy.delta > caps.delta:
        raise _outside("plan.privacy.delta", plan.privacy.delta, f"at most {caps.delta}")
    try:
        check_delta(plan.privacy.delta, [policy.nominal_records])
        check_caps(caps, policy.nominal_records)
        check_noise(plan.privacy)
        plan.privacy.check()
    except PrivacyError as error:
        where = error.where if error.where.startswith("caps.") else f"plan.{error.where}"
        raise _outside(where, error.got, error.expected) from error
    except FederationError as error:
        raise _outside("plan.privacy", type(error).__name__, "a plan whose epsilon can be computed") from error


def check_caps(caps: Caps, nominal_records: int) -> None:
    """Raises PrivacyError if the caps' delta exceeds 1 / (10 x nominal size).

    Every run's delta may be spent, year after year, up to the caps' own: that one decides whether the accountants may
    call a history free that has published somebody outright.
    """
    try:
        check_delta(caps.delta, [nominal_records])
    except PrivacyError as error:
        raise PrivacyError("caps.delta", got=error.got, expected=error.expected) from error


def check_noise(privacy: PrivacyPlan) -> None:
    """Raises PrivacyError for noise that hides no record, or sampling so rare that delta alone covers it.

    A step that sees records with probability q differs between neighbours with probability q at most, so T steps with
    q T <= delta have epsilon 0 with no noise whatever.
    """
    for name, multiplier in (
        ("noise_multiplier", privacy.noise_multiplier),
        ("evaluation_multiplier", privacy.evaluation_multiplier),
    ):
        if multiplier is not None and multiplier < LEAST_MULTIPLIER:
            raise PrivacyError(f"privacy.{name}", got=multiplier, expected=f"at least {LEAST_MULTIPLIER}")
    seen = privacy.sampling_rate * privacy.steps
    if seen <= BEYOND_DELTA * privacy.delta:
        raise PrivacyError("privacy.sampling_rate", got=seen, expected=f"over {BEYOND_DELTA} x delta in all steps")


def _outside(where: str, got: object, expected: object) -> Refused:
    return Refused(Code.OUTSIDE_POLICY, where, got=got, expected=expected)
