"""A small world for the tests: records whose outcomes follow a known additive model, and a published model."""

from __future__ import annotations

import base64
import math

import numpy as np
from scipy.special import expit

from federation.catalogue import Catalogue, load_catalogue
from federation.models import MODEL_LABEL, PublishedModel
from federation.privacy.plan import PrivacyPlan
from federation.records.encoded import Encoded
from federation.rounds import CatalogueRef, Member, SignedPlan, TrainingPlan, approve
from federation.training import Recipe, initial_parameters
from federation.training.recipe import noise_of
from protocols.signing import SigningKey

CATALOGUE = load_catalogue("synthetic")
COORDINATOR = SigningKey.from_seed(bytes([9]) * 32)
PRIVACY = PrivacyPlan(
    epsilon=1.0,
    delta=1e-5,
    sampling_rate=0.2,
    noise_multiplier=8.0,
    clip=0.5,
    steps_per_round=5,
    rounds=20,
    evaluation_multiplier=17.0,
)


def world(seed: int, n: int, catalogue: Catalogue = CATALOGUE) -> tuple[Encoded, np.ndarray]:
    """Records with outcomes and groups, and their true log-odds of BAD."""
    rng = np.random.default_rng(seed)
    cells = [rng.integers(0, feature.n_cells, n) for feature in catalogue.features]
    tables = [np.random.default_rng(7 + i).normal(0, 0.3, f.n_cells) for i, f in enumerate(catalogue.features)]
    rate = catalogue.base_rate
    logits = math.log(rate / (1 - rate)) + sum(t[c] for t, c in zip(tables, cells, strict=True))
    target = (rng.random(n) < expit(logits)).astype(np.uint8)
    groups = {p.name: rng.integers(0, len(p.groups), n).astype(np.uint8) for p in catalogue.protected}
    return Encoded(np.stack(cells, axis=1).astype(np.uint8), target, groups), logits


def training_plan(recipe: Recipe | None = None, sizes: tuple[int, ...] = (8000, 1500)) -> TrainingPlan:
    names = CATALOGUE.feature_names
    members = tuple(
        Member(
            institution=f"bank-{index}",
            key=SigningKey.from_seed(bytes([index]) * 32).public.hex,
            nominal_records=size,
            features=names if index == 0 else names[:-2],
        )
        for index, size in enumerate(sizes)
    )
    recipe = recipe or Recipe(learning_rate=10.0)
    return TrainingPlan(
        run_id="run-1",
        catalogue=CatalogueRef(name=CATALOGUE.name, version=CATALOGUE.version, hash=CATALOGUE.hash),
        recipe=recipe,
        privacy=PRIVACY.model_copy(update={"distribution": noise_of(recipe.family)}),
        members=members,
        coordinator=COORDINATOR.public.hex,
        quorum=1,
        round_deadline_s=60.0,
        bundle_hash="0" * 64,
        max_update_norm=100.0,
        expires=2_000_000_000,
    )


def published_model(recipe: Recipe | None = None, seed: int = 0) -> PublishedModel:
    """A signed model with parameters drawn at random."""
    plan = training_plan(recipe)
    approvals = {
        member.institution: approve(plan, SigningKey.from_seed(bytes([index]) * 32))
        for index, member in enumerate(plan.members)
    }
    size = initial_parameters(CATALOGUE, plan.recipe).size
    parameters = np.random.default_rng(seed).normal(0, 0.5, size).astype("<f4")
    unsigned = PublishedModel(
        signed_plan=SignedPlan.sign(plan, approvals, COORDINATOR),
        parameters=base64.b64encode(parameters.tobytes()).decode(),
        institutions=("bank-0",),
        checkpoint=(),
        signature="",
    )
    signature = COORDINATOR.sign(MODEL_LABEL, unsigned._signed_bytes())
    return unsigned.model_copy(update={"signature": signature.hex()})
