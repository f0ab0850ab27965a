"""Averaging, progress and the published documents: recomputable to the bit."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rounds_world import COORDINATOR, NAMES, key_of, make_plan, sign, statements

from federation.errors import ConfigurationError, Refused
from federation.models import PublishedEvaluation, PublishedModel
from federation.oversight.recompute import recompute
from federation.rounds import Checkpoint, average, model_from_bytes, model_hash, model_to_bytes, update_hash
from federation.rounds.averaging import F32
from federation.rounds.reply import Update
from federation.rounds.rule import Averaging
from federation.rounds.vectors import to_bytes
from protocols.errors import SignatureError

FLOATS = st.floats(-1e6, 1e6, width=32)
VECTORS = hnp.arrays(np.float32, 5, elements=FLOATS)
UPDATES = st.dictionaries(st.sampled_from("abcdef"), VECTORS, min_size=1)
SIZES = st.fixed_dictionaries({name: st.integers(1, 10**6) for name in "abcdef"})
D = 4


@given(UPDATES, SIZES)
def test_the_average_lies_between_the_updates_and_is_numpys(updates: dict[str, F32], sizes: dict[str, int]) -> None:
    result = average(updates, sizes)
    stacked = np.stack(list(updates.values())).astype(np.float64)
    expected = np.average(stacked, axis=0, weights=[sizes[name] for name in updates])
    assert np.allclose(result, expected, rtol=1e-12, atol=1e-6)
    assert (result >= stacked.min(0) - 1e-6).all()
    assert (result <= stacked.max(0) + 1e-6).all()


@given(UPDATES, SIZES, st.randoms())
def test_the_average_does_not_depend_on_who_answered_first(updates: dict[str, F32], sizes: dict[str, int], rng) -> None:  # type: ignore[no-untyped-def]
    names = list(updates)
    rng.shuffle(names)
    shuffled = {name: updates[name] for name in names}
    assert average(shuffled, sizes).tobytes() == average(updates, sizes).tobytes()


@given(VECTORS, SIZES)
def test_equal_updates_average_to_themselves(vector: F32, sizes: dict[str, int]) -> None:
    assert np.allclose(average(dict.fromkeys("abc", vector), sizes), vector, rtol=1e-12)


def test_an_institution_weighs_its_nominal_size_and_one_that_is_late_nothing() -> None:
    updates = {"b": np.float32([0.0, 4.0]), "a": np.float32([1.0, 0.0])}
    sizes = {"a": 3_000, "b": 1_000, "late": 9_000}
    assert average(updates, sizes).tolist() == [0.75, 1.0]
    assert (np.float32([10.0, 10.0]) + average(updates, sizes)).tolist() == [10.75, 11.0]


@given(VECTORS)
def test_models_travel_unchanged(vector: F32) -> None:
    data = model_to_bytes(vector)
    assert model_from_bytes(data, 5).tobytes() == vector.tobytes()
    assert model_hash(data) != update_hash(data)


@pytest.mark.parametrize(("data", "code"), [(b"123", "wrong_shape"), (b"\0\0\xc0\x7f" * 5, "not_finite")])
def test_bytes_that_are_no_model_are_refused(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        model_from_bytes(data, 5)
    assert caught.value.code == code


def play(rounds: int = 3) -> tuple[Checkpoint, dict[int, dict[str, F32]]]:
    """A run of `rounds` rounds over random updates, and the updates by round."""
    rng, plan = np.random.default_rng(1), make_plan()
    rule = Averaging(plan, np.zeros(D, np.float32))
    checkpoint, history = Checkpoint.start(plan, rule.initial()), {}
    for number in range(1, rounds + 1):
        history[number] = {name: rng.normal(size=D).astype(np.float32) for name in NAMES}
        updates = {name: Update.of(name, vector) for name, vector in history[number].items()}
        model = rule.follow(number, checkpoint.parameters, rule.combine(history[number]))
        checkpoint = checkpoint.advance(plan, updates, model)
    return checkpoint, history


def test_the_published_model_is_the_mean_of_the_last_models() -> None:
    models = [play(number)[0].parameters for number in (1, 2, 3)]
    checkpoint, _ = play()
    assert checkpoint.tail_count == make_plan().recipe.average_last == 2
    assert np.allclose(checkpoint.published, (models[1].astype(np.float64) + models[2]) / 2, rtol=1e-6)
    assert np.array_equal(play(1)[0].published, models[0])


def test_a_checkpoint_survives_its_file() -> None:
    checkpoint, _ = play(2)
    again = Checkpoint.read(checkpoint.canonical()).check(make_plan(), D)
    assert again == checkpoint
    assert np.array_equal(again.parameters, checkpoint.parameters)


def test_the_checkpoint_of_another_run_is_refused() -> None:
    checkpoint, _ = play(2)
    with pytest.raises(ConfigurationError, match="plan_hash"):
        checkpoint.check(make_plan(quorum=1), D)
    with pytest.raises(ConfigurationError, match="parameters"):
        checkpoint.check(make_plan(), D + 1)
    for rounds in ((), checkpoint.rounds[:1], checkpoint.rounds[::-1], (*checkpoint.rounds, checkpoint.rounds[0])):
        with pytest.raises(ConfigurationError, match="rounds"):
            checkpoint.model_copy(update={"rounds": rounds}).check(make_plan(), D)


def test_a_published_model_can_be_verified_and_recomputed() -> None:
    checkpoint, history = play()
    model = PublishedModel.publish(sign(make_plan()), checkpoint, COORDINATOR)
    model.verify()
    again = PublishedModel.read(model.canonical())
    again.verify()
    assert again == model
    rule, said = Averaging(make_plan(), np.zeros(D, np.float32)), statements(checkpoint)
    sent = {update_hash(data).hex(): data for each in history.values() for data in map(to_bytes, each.values())}
    found = recompute(make_plan(), rule, said, sent.__getitem__, again.hash)
    assert (found.rounds, found.published, found.difference) == (3, True, None)
    sent[said[2].updates["bank-b"].update_hash] = to_bytes(history[2]["bank-b"] + 1)
    with pytest.raises(Refused, match="round 2: bank-b"):
        recompute(make_plan(), rule, said, sent.__getitem__, again.hash)


def test_a_coordinator_cannot_publish_what_it_did_not_sign() -> None:
    model = PublishedModel.publish(sign(make_plan()), play()[0], COORDINATOR)
    other = base64.b64encode(np.ones(D, np.float32).tobytes()).decode()
    for change in ({"parameters": other}, {"institutions": ()}, {"signature": "zz"}, {"signature": "00" * 64}):
        with pytest.raises(SignatureError):
            model.model_copy(update=change).verify()
    with pytest.raises(ConfigurationError, match="rounds"):
        PublishedModel.publish(sign(make_plan()), play(2)[0], COORDINATOR)


@pytest.mark.parametrize("parameters", ["?", "AAA=", base64.b64encode(b"\0\0\xc0\x7f").decode()])
def test_parameters_that_are_no_numbers_are_refused(parameters: str) -> None:
    model = PublishedModel.publish(sign(make_plan()), play()[0], COORDINATOR)
    with pytest.raises(ConfigurationError, match="parameters"):
        _ = model.model_copy(update={"parameters": parameters}).vector


def test_the_evaluation_is_the_sum_and_says_its_noise() -> None:
    plan, model = make_plan(), b"model"
    updates = {name: Update.of(name, np.full(6, 1.5, np.float32)) for name in NAMES}
    evaluation = PublishedEvaluation.publish(plan, model, updates, COORDINATOR)
    evaluation.verify(plan)
    assert evaluation.counts == (4.5,) * 6
    assert evaluation.sd == pytest.approx(30.0 * 3**0.5)
    with pytest.raises(ConfigurationError, match="plan_hash"):
        evaluation.verify(make_plan(quorum=1))
    with pytest.raises(SignatureError):
        evaluation.model_copy(update={"sd": 1.0}).verify(plan)
    with pytest.raises(ConfigurationError):
        PublishedEvaluation.publish(plan, model, {}, COORDINATOR)


def test_a_stranger_cannot_publish_an_evaluation() -> None:
    updates = {"bank-a": Update.of("bank-a", np.zeros(2, np.float32))}
    with pytest.raises(SignatureError):
        PublishedEvaluation.publish(make_plan(), b"", updates, key_of("stranger")).verify(make_plan())
