"""What is audited: plans of three members of 2,000 records, of either kind of recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from types import MappingProxyType
from typing import Any

from federation.catalogue import load_catalogue
from federation.privacy import PrivacyPlan, SharedNoise
from federation.rounds import CatalogueRef, Member, TrainingPlan
from federation.training import Recipe
from federation.training.sums import SumRecipe
from federation.training.sums.recipe import Method
from protocols.signing import SigningKey

NOMINAL, DELTA = 2_000, 1e-5
THREE = SharedNoise(members=3)
ROUNDS: Mapping[Method, Sequence[int]] = MappingProxyType({"gp": [1, 3, 2, 1], "g": [1, 3, 1], "a": [4]})  # few


def training_plan(epsilon: float) -> TrainingPlan:
    """Federated averaging with local noise, on the synthetic catalogue."""
    privacy = PrivacyPlan.calibrate(epsilon=epsilon, delta=DELTA)
    recipe = Recipe.default(load_catalogue("synthetic"), privacy, [NOMINAL] * 3)
    return _plan("synthetic", f"audit-{epsilon:g}", 3, recipe=recipe, privacy=privacy)


def sum_plan(method: Method = "gp", sharing: SharedNoise | None = THREE, epsilon: float = 1.0) -> TrainingPlan:
    """A recipe of sums in few rounds that cost the same, on Taiwan's catalogue. Local noise: three members."""
    rounds = ROUNDS[method]
    privacy = PrivacyPlan.calibrate_sums(
        epsilon=epsilon,
        delta=DELTA,
        rounds=rounds,
        shares=[count / sum(rounds) for count in rounds],
        spare_rounds=1,
        evaluation_share=0.05,
        sharing=sharing,
    )
    members = 3 if sharing is None else sharing.members
    return _plan("taiwan", f"audit-sums-{epsilon:g}", members, recipe=SumRecipe.of(method), privacy=privacy)


def _plan(named: str, run_id: str, members: int, **changes: Any) -> TrainingPlan:
    catalogue, names = load_catalogue(named), [f"bank-{letter}" for letter in ascii_lowercase[:members]]
    keys = {name: SigningKey.from_seed(name.encode().ljust(32, b".")).public.hex for name in (*names, "coordinator")}
    return TrainingPlan(
        run_id=run_id,
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        members=tuple(
            Member(institution=name, key=keys[name], nominal_records=NOMINAL, features=catalogue.feature_names)
            for name in names
        ),
        coordinator=keys["coordinator"],
        quorum=members,
        round_deadline_s=60.0,
        bundle_hash="ab" * 32,
        max_update_norm=1e3,
        expires=2**40,
        **changes,
    )
