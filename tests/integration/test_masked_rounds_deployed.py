"""Secure aggregation between real processes: what left each institution is noise by itself, and sums to the model."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from flower_deployment import Deployment, make_coordinator, make_institution
from numpy.typing import NDArray
from scipy.stats import chisquare
from test_flower_rounds import NAMES, Training, real_node

from clients.institution.home import InstitutionHome
from federation.catalogue import load_catalogue
from federation.ledger import Ledger
from federation.models import PublishedModel
from federation.privacy.stages import SharedNoise
from federation.rounds import CatalogueRef, Member, TrainingPlan
from federation.rounds.rule import Summing, rule_of
from federation.synthetic import Population, PopulationSpec, write_population
from federation.training.sums import SumRecipe
from protocols.envelope import read_envelope
from protocols.secagg.keys import public_of
from protocols.wire.secagg_pb2 import SecaggState
from protocols.wire.training_pb2 import RoundReply
from server.checkpoint_store import PLAN, CheckpointStore
from server.home import CoordinatorHome
from server.superlink import shipped_bundle

ROUNDS = 3
RUN = "masked"
pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


def masked_plan(coordinator: CoordinatorHome, homes: list[InstitutionHome]) -> TrainingPlan:
    """Recipe "a" in three rounds and an evaluation, at an epsilon that six thousand records can carry."""
    catalogue, recipe = load_catalogue(coordinator.catalogue), SumRecipe.of("a")
    sharing = SharedNoise(members=len(homes))
    privacy = recipe.calibrate(epsilon=8.0, delta=1e-5, sharing=sharing, spare_rounds=2, evaluation_share=0.05)
    stage = privacy.stages[0].model_copy(update={"rounds": ROUNDS})
    return TrainingPlan(
        run_id=RUN,
        catalogue=CatalogueRef(name=catalogue.name, version=catalogue.version, hash=catalogue.hash),
        recipe=recipe,
        privacy=privacy.model_copy(update={"stages": (stage,), "rounds": ROUNDS}),
        members=tuple(
            Member(
                institution=home.name,
                key=home.signing_key.public.hex,
                nominal_records=home.settings.nominal_records,
                features=catalogue.feature_names,
            )
            for home in homes
        ),
        coordinator=coordinator.signing_key.public.hex,
        quorum=sharing.fewest,
        round_deadline_s=60.0,
        bundle_hash=shipped_bundle().hash,
        max_update_norm=1e18,
        expires=int(time.time()) + 3600,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[CoordinatorHome, list[InstitutionHome], PublishedModel]:
    folder = tmp_path_factory.mktemp("masked")
    population = Population.draw(PopulationSpec(persons=6000, institutions=3), np.random.default_rng(1))
    files = write_population(population, folder / "population")
    coordinator = make_coordinator(folder / "coordinator")
    homes = [
        make_institution(folder / name, name, coordinator, data=str(file), nominal=2000, cap=40.0)
        for name, file in zip(NAMES, files, strict=True)
    ]
    store = CheckpointStore(coordinator.run(RUN))
    store.write(PLAN, masked_plan(coordinator, homes))
    with Deployment(coordinator, homes, node=real_node) as deployment:
        training = Training(coordinator, RUN)
        training.start()
        while training.is_alive():
            deployment.poll()
            time.sleep(0.1)
    assert training.error is None, training.error
    model = store.model()
    assert model is not None
    return coordinator, homes, model


def sent(home: InstitutionHome, model: PublishedModel, number: int) -> NDArray[np.uint64]:
    """What this institution answered to round `number`, as its own ledger kept it."""
    ledger = Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps())
    reply = ledger.stored_reply(RUN, "train", number, model.checkpoint[number - 1].model_hash)
    ledger.close()
    assert reply is not None
    return np.frombuffer(RoundReply.FromString(read_envelope(reply).body).update, dtype="<u8")


def test_what_left_the_institutions_sums_to_the_published_model(
    run: tuple[CoordinatorHome, list[InstitutionHome], PublishedModel],
) -> None:
    coordinator, homes, model = run
    model.verify()
    rule = rule_of(load_catalogue(coordinator.catalogue), model.plan)
    assert isinstance(rule, Summing)
    state = rule.initial()
    for number in range(1, ROUNDS + 1):
        total = np.sum([sent(home, model, number) for home in homes], axis=0, dtype=np.uint64).view(np.int64)
        assert np.abs(total).max() < 2**48  # masks are off: what is left is small
        state = rule.follow(number, state, total)
    assert np.array_equal(state, model.vector)


def test_no_answer_and_no_sum_of_two_says_anything_by_itself(
    run: tuple[CoordinatorHome, list[InstitutionHome], PublishedModel],
) -> None:
    _, homes, model = run
    first = [np.concatenate([sent(home, model, number) for number in range(1, ROUNDS + 1)]) for home in homes]
    views = [*first, first[0] + first[1], first[0] + first[2], first[1] + first[2]]
    for view in views:
        counts = np.bincount(np.frombuffer(view.tobytes(), dtype=np.uint8), minlength=256)
        assert chisquare(counts).pvalue > 1e-6
    opened = np.sum(first, axis=0, dtype=np.uint64)  # the control: the test does see numbers that are not masked
    counts = np.bincount(np.frombuffer(opened.tobytes(), dtype=np.uint8), minlength=256)
    assert chisquare(counts).pvalue < 1e-6


def test_what_opens_a_round_is_nowhere_once_it_is_summed(
    run: tuple[CoordinatorHome, list[InstitutionHome], PublishedModel],
) -> None:
    coordinator, homes, _ = run
    kept = b"".join(path.read_bytes() for path in Path(coordinator.path).rglob("*") if path.is_file())
    for home in homes:
        [file] = (home.path / "masks").iterdir()
        state = SecaggState.FromString(file.read_bytes())
        assert not state.rounds
        assert len(state.adverts) == len(homes)
        assert state.channel not in kept
        assert public_of(state.channel) in kept  # the control: the other half of the key is there
