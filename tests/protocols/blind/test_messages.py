"""Hostile bytes: refused by name, before anything is charged or computed."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from blind_world import SALT, drawn_model, owner, source
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.blind import Answer, BlindClient, BlindModel, BlindScorer, MemoryCount, Quota, QuotaError, Request, Terms
from protocols.blind.messages import answer_bytes, request_bytes
from protocols.errors import MessageError

MODEL = drawn_model(20, 5)
TERMS = MODEL.terms()
PENDING, REQUEST = BlindClient(TERMS, source(1)).ask(np.ones((2, 20), dtype=int))
ANSWER = owner(MODEL).answer("lender-a", REQUEST)


def count_of(applicants: int) -> bytes:
    return REQUEST[:56] + applicants.to_bytes(4, "little") + REQUEST[60:]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "blind.request"),
        (REQUEST[:59], "blind.request"),
        (REQUEST[:-1], "blind.request"),
        (REQUEST + b"\x00", "blind.request"),
        (ANSWER, "blind.request"),
        (b"fedscore/v2/blind/ask" + REQUEST[21:], "blind.request"),
        (REQUEST[:24] + bytes(32) + REQUEST[56:], "blind.request"),
        (count_of(0), "blind.request.applicants"),
        (count_of(4097), "blind.request.applicants"),
        (count_of(2**32 - 1), "blind.request.applicants"),
        (count_of(4096), "blind.request"),
    ],
)
def test_requests_of_another_form_are_refused_and_not_charged(data: bytes, field: str) -> None:
    scorer = BlindScorer(MODEL, Quota(2, 2), MemoryCount(), source(2))
    with pytest.raises(MessageError) as refused:
        scorer.answer("lender-a", data)
    assert refused.value.field == field
    scorer.answer("lender-a", REQUEST)  # the whole quota is still there
    with pytest.raises(QuotaError):
        scorer.answer("lender-a", REQUEST)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 60))
def test_no_bytes_raise_anything_else(tail: bytes, kept: int) -> None:
    for decode in (Request.decode, lambda data, terms: Answer.decode(data, terms, 2)):
        with pytest.raises(MessageError):
            decode(REQUEST[:kept] + tail, TERMS)


@pytest.mark.parametrize(
    "data",
    [
        ANSWER[:-1],
        ANSWER + b"\x00",
        REQUEST,
        ANSWER[:56] + b"\x01\x00\x00\x00" + ANSWER[60:],
        ANSWER[:24] + bytes(32) + ANSWER[56:],
    ],
)
def test_answers_of_another_form_are_refused_and_leave_the_request_open(data: bytes) -> None:
    pending, request = BlindClient(TERMS, source(3)).ask(np.ones((2, 20), dtype=int))
    with pytest.raises(MessageError):
        pending.open(data)
    pending.open(owner(MODEL).answer("lender-a", request))


@pytest.mark.parametrize("applicants", [1, 2, 7, 819, 4096])
def test_messages_survive_a_round_trip_and_have_the_size_they_say(applicants: int) -> None:
    _, request = BlindClient(TERMS, source(4)).ask(np.ones((applicants, 20), dtype=int))
    assert len(request) == request_bytes(TERMS, applicants)
    assert Request.decode(request, TERMS).encode(TERMS) == request
    answer = owner(MODEL).answer("lender-a", request)
    assert len(answer) == answer_bytes(TERMS, applicants)
    opened = Answer.decode(answer, TERMS, applicants)
    assert replace(opened, applicants=applicants).encode(TERMS) == answer
    assert set((opened.c1 % 2**16).ravel().tolist()) == {
        2**15
    }  # the middle of what was left out, so that no value is biased
    assert set((opened.values % 2**32).ravel().tolist()) == {2**31}


def test_terms_survive_a_round_trip() -> None:
    for intercept in (-1.5, 2.0, 0.0):
        terms = replace(TERMS, intercept=intercept)
        assert Terms.from_bytes(terms.to_bytes()) == terms


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"version":1', b'"version":2', "terms.version"),
        (b'"features":20', b'"features":4097', "terms.features"),
        (b'"features":20', b'"features":true', "terms.features"),
        (b'"features":20', b'"features":4', "terms.parts"),
        (b'"parts":5', b'"parts":0', "terms.parts"),
        (b'"bound":1', b'"bound":0', "terms.bound"),
        (b'"flood":0', b'"flood":25', "terms.flood"),
        (b'"intercept":-1.5', b'"intercept":"x"', "terms.intercept"),
        (b'"intercept":-1.5', b'"intercept":null', "terms.intercept"),
        (b'"bound":1,', b"", "terms"),
        (b"{", b"[", "terms"),
        (b"{", b"{ ", "terms"),
    ],
)
def test_terms_that_cannot_hold_are_refused(old: bytes, new: bytes, field: str) -> None:
    data = TERMS.to_bytes()
    assert old in data
    with pytest.raises(MessageError) as refused:
        Terms.from_bytes(data.replace(old, new, 1))
    assert refused.value.field == field


def test_the_name_of_a_model_binds_weights_parts_and_salt_and_not_the_noise() -> None:
    names = {
        replace(MODEL, **change).identity()
        for change in (
            {},
            {"salt": bytes(16)},
            {"weights": (*MODEL.weights[:-1], 0.5)},
            {"part_of": (*MODEL.part_of[1:], 0)},
            {"intercept": 0.0},
            {"bound": 2},
        )
    }
    assert len(names) == 6
    assert replace(MODEL, flood=3).identity() == MODEL.identity()  # its answers count against the same quota


def test_the_bytes_of_version_one() -> None:
    """Fixed model and randomness (SHAKE-128 of zeros): whoever changes the format or the sampling changes the label."""
    model = BlindModel((0.5, -0.25, 1.0), (0, 0, 1), intercept=-2.0, salt=SALT)
    pending, request = BlindClient(model.terms(), lambda count: hashlib.shake_128(bytes(1)).digest(count)).ask(
        [[1, 1, 0]]
    )
    scorer = BlindScorer(
        model, Quota.extractable(1), MemoryCount(), lambda count: hashlib.shake_128(bytes(2)).digest(count)
    )
    answer = scorer.answer("lender-a", request)
    found = [hashlib.sha256(data).hexdigest()[:16] for data in (model.terms().to_bytes(), request, answer)]
    assert found == ["77ee6d0ffd7c6865", "465f68615c1a836e", "b30247d4e73b5302"]
    assert pending.open(answer).evidence.tolist() == [-1.75]
