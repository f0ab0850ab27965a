"""Encrypted scores against plain ones."""

from __future__ import annotations

import numpy as np
import pytest
from blind_world import SALT, drawn_model, owner, plain_parts, scored, source
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.blind import BlindClient, BlindModel, Scores
from protocols.errors import MessageError, StageError


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_shape_gives_every_part_of_every_applicant(data: st.DataObject) -> None:
    parts = data.draw(st.integers(1, 6))
    features = data.draw(st.integers(parts, 60))
    applicants = data.draw(st.one_of(st.integers(1, 4), st.integers(1, 4096)))
    bound = data.draw(st.sampled_from([1, 4]))
    model = drawn_model(features, parts, seed=features, bound=bound)
    values = np.random.default_rng(applicants).integers(-bound, bound + 1, size=(applicants, features))
    found = scored(model, values)
    limit = (bound * features + 2) * 2.0**-21
    assert found.parts.shape == (applicants, parts)
    assert np.abs(found.parts - plain_parts(model, values)).max() <= limit


@pytest.mark.parametrize(
    ("features", "parts", "applicants"), [(200, 5, 1), (20, 1, 4096), (4096, 1, 1), (16, 16, 4096)]
)
def test_the_limits_of_a_request(features: int, parts: int, applicants: int) -> None:
    model = drawn_model(features, parts)
    values = np.random.default_rng(1).integers(0, 2, size=(applicants, features))
    found = scored(model, values)
    exact = plain_parts(model, values).sum(axis=1) + model.intercept
    assert np.abs(found.unrounded - exact).max() <= 1e-4


def test_a_model_at_the_edge_of_its_range_does_not_wrap() -> None:
    model = BlindModel((127.9, -127.9), (0, 1), SALT, flood=0)
    assert scored(model, [[1, 1], [-1, -1]]).parts == pytest.approx(np.array([[127.9, -127.9], [-127.9, 127.9]]))


@pytest.mark.parametrize("flood", [8, 14, 17])
def test_noise_is_as_wide_as_the_terms_say_and_no_wider(flood: int) -> None:
    model = drawn_model(10, 2, flood=flood)
    values = np.random.default_rng(3).integers(0, 2, size=(2000, 10))
    error = np.abs(scored(model, values).parts - plain_parts(model, values))
    assert error.max() <= 2.0 ** (flood - 21) + 12 * 2.0**-21
    assert error.max() >= 0.95 * 2.0 ** (flood - 21)
    assert error.mean() == pytest.approx(2.0 ** (flood - 22), rel=0.1)


def test_evidence_is_shown_in_eighths() -> None:
    shown = Scores(np.array([[0.3, 0.3], [0.0, -0.07]]), -1.0)
    assert shown.evidence.tolist() == [-0.375, -1.125]


def test_the_noise_of_the_default_seldom_moves_evidence_and_never_by_more_than_a_step() -> None:
    model = drawn_model(20, 5, flood=14)
    values = np.random.default_rng(4).integers(0, 2, size=(500, 20))
    exact = Scores(plain_parts(model, values), model.intercept).evidence
    moved = np.abs(scored(model, values).evidence - exact)
    assert set(moved.tolist()) <= {0.0, 0.125}
    assert (moved == 0).mean() > 0.8


def test_requests_hide_what_they_hold() -> None:
    model = drawn_model(20, 5)
    client = BlindClient(model.terms(), source(5))
    (_, first), (other, again) = client.ask([[1] * 20]), client.ask([[1] * 20])
    assert len(first) == len(again)
    same = np.frombuffer(first[60:], np.uint8) == np.frombuffer(again[60:], np.uint8)
    assert same.mean() < 0.01  # 1 / 256 for unrelated bytes
    stolen = other.open(owner(model).answer("lender-a", first))  # under another request's secret
    assert np.abs(stolen.parts - plain_parts(model, [[1] * 20])).max() > 1


def test_an_answer_is_opened_once() -> None:
    model = drawn_model(4, 2)
    pending, request = BlindClient(model.terms(), source(6)).ask([[1, 0, 1, 0]])
    answer = owner(model).answer("lender-a", request)
    pending.open(answer)
    with pytest.raises(StageError, match="second answer"):
        pending.open(answer)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ([1, 0, 1, 0], "features.shape"),
        ([[1, 0, 1]], "features.shape"),
        (np.zeros((0, 4), int), "features.shape"),
        (np.zeros((4097, 4), int), "features.shape"),
        ([[0.5, 0, 1, 0]], "features"),
        ([[2, 0, 1, 0]], "features"),
        ([[-2, 0, 1, 0]], "features"),
        (np.array([[-(2**63), 0, 0, 0]]), "features"),
    ],
)
def test_features_that_are_no_encoding_are_refused(values: object, field: str) -> None:
    with pytest.raises(MessageError) as refused:
        BlindClient(drawn_model(4, 2).terms(), source(7)).ask(values)  # type: ignore[arg-type]
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"weights": ()}, "part_of"),
        ({"part_of": (0,)}, "part_of"),
        ({"part_of": (0, 2)}, "part_of"),
        ({"part_of": (-1, 0)}, "part_of"),
        ({"weights": (float("nan"), 1.0)}, "weights"),
        ({"weights": (1e300, 1.0)}, "weights"),
        ({"weights": (70.0, 70.0), "part_of": (0, 0)}, "weights"),
        ({"weights": (0.6, 0.6), "bound": 256}, "weights"),
        ({"bound": 0}, "terms.bound"),
        ({"flood": 25}, "terms.flood"),
        ({"intercept": float("inf")}, "terms.intercept"),
        ({"salt": SALT[:15]}, "salt"),
        ({"own": (1,)}, "own"),
        ({"own": (1, 2)}, "own"),
        ({}, None),
    ],
)
def test_models_that_do_not_fit_are_refused(fields: dict[str, object], named: str | None) -> None:
    given_fields = {"weights": (0.5, 0.25), "part_of": (0, 1), "salt": SALT, **fields}
    if named is None:
        shown = repr(BlindModel(**given_fields))  # type: ignore[arg-type]
        assert "0.25" not in shown
        assert "salt" not in shown
        return
    with pytest.raises(MessageError) as refused:
        BlindModel(**given_fields)  # type: ignore[arg-type]
    assert refused.value.field == named
