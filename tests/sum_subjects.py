"""Subjects of audits of sums: the institution's own trainer, under plans of few rounds."""

from __future__ import annotations

from functools import cache
from string import ascii_lowercase

from benchmarks.audits import training_plan
from clients.institution.audits import subject_of
from federation.audits import SumSubject
from federation.catalogue import load_catalogue
from federation.privacy import OsNoise, PrivacyPlan, SharedNoise
from federation.rounds import CatalogueRef, Member, TrainingPlan
from federation.training.sums import SumRecipe
from federation.training.sums.recipe import Method
from protocols.signing import SigningKey

ROUNDS: dict[Method, list[int]] = {"gp": [1, 3, 2, 1], "g": [1, 3, 1], "a": [4]}
THREE = SharedNoise(members=3)


def sum_plan(method: Method = "gp", sharing: SharedNoise | None = THREE, epsilon: float = 1.0) -> TrainingPlan:
    """Members of 2,000 records, three under local noise; equal shares of the budget."""
    catalogue, rounds = load_catalogue("taiwan"), ROUNDS[method]
    privacy = PrivacyPlan.calibrate_sums(
        epsilon=epsilon,
        delta=1e-5,
        rounds=rounds,
        shares=[1 / len(rounds)] * len(rounds),
        spare_rounds=1,
        evaluation_share=0.05,
        sharing=sharing,
    )
    reference = CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash)
    names = [f"bank-{letter}" for letter in ascii_lowercase[: 3 if sharing is None else sharing.members]]
    members = tuple(
        Member(
            institution=name,
            key=SigningKey.from_seed(name.encode().ljust(32, b".")).public.hex,
            nominal_records=2_000,
            features=catalogue.feature_names,
        )
        for name in names
    )
    changes = {
        "catalogue": reference,
        "recipe": SumRecipe.of(method),
        "privacy": privacy,
        "members": members,
        "quorum": len(names),
    }
    return training_plan(epsilon).model_copy(update=changes)


@cache
def sum_subject(method: Method = "gp", sharing: SharedNoise | None = THREE, epsilon: float = 1.0) -> SumSubject:
    """As `fedscore institution audit` makes it of this plan."""
    subject = subject_of(load_catalogue("taiwan"), sum_plan(method, sharing, epsilon), "bank-a", OsNoise())
    assert isinstance(subject, SumSubject)
    return subject
