"""What may be asked in a model's life."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blind_world import SALT, drawn_model, source
from hypothesis import given
from hypothesis import strategies as st

from protocols.blind import BlindClient, BlindModel, BlindScorer, MemoryCount, Quota, QuotaError, Spent
from protocols.errors import MessageError

MODEL = drawn_model(20, 4, flood=14)  # five features a part


def ask(scorer: BlindScorer, requester: str, applicants: int, model: BlindModel = MODEL) -> None:
    ones = np.ones((applicants, len(model.weights)), dtype=int)
    _, request = BlindClient(model.terms(), source(0)).ask(ones)
    scorer.answer(requester, request)


def test_the_smallest_part_sets_the_limit() -> None:
    assert Quota.below(MODEL) == Quota(4, 4)
    uneven = BlindModel((0.1, -0.2, 0.3, -0.1, 0.2, -0.4), (0, 0, 0, 0, 1, 1), SALT)
    assert Quota.below(uneven).lifetime == 1
    with pytest.raises(MessageError, match=r"quota\.lifetime"):
        Quota.below(BlindModel((0.1, 0.1), (0, 1), SALT))


def test_an_owner_cannot_start_with_a_quota_that_gives_the_weights_away_unless_it_says_so() -> None:
    with pytest.raises(MessageError, match=r"quota\.lifetime"):
        BlindScorer(MODEL, Quota(5, 1), MemoryCount(), source(0))
    BlindScorer(MODEL, Quota(4, 1), MemoryCount(), source(0))
    BlindScorer(MODEL, Quota.extractable(5), MemoryCount(), source(0))


def test_a_packed_request_is_charged_for_every_applicant() -> None:
    scorer = BlindScorer(MODEL, Quota(4, 4), MemoryCount(), source(0))
    ask(scorer, "lender-a", 3)
    with pytest.raises(QuotaError, match=r"quota\.lifetime: got 5, expected at most 4"):
        ask(scorer, "lender-a", 2)
    ask(scorer, "lender-a", 1)  # a refusal costs nothing


def test_requesters_that_pool_their_answers_share_the_lifetime() -> None:
    scorer = BlindScorer(MODEL, Quota(4, 3), MemoryCount(), source(0))
    ask(scorer, "lender-a", 3)
    with pytest.raises(QuotaError, match=r"quota\.requester"):
        ask(scorer, "lender-a", 1)
    ask(scorer, "lender-b", 1)
    with pytest.raises(QuotaError, match=r"quota\.lifetime"):
        ask(scorer, "lender-c", 1)


def test_the_count_belongs_to_the_model_and_survives_a_new_scorer() -> None:
    count, other = MemoryCount(), drawn_model(20, 4, seed=1, flood=14)
    ask(BlindScorer(MODEL, Quota(4, 4), count, source(0)), "lender-a", 4)
    with pytest.raises(QuotaError):
        ask(BlindScorer(MODEL, Quota(4, 4), count, source(1)), "lender-a", 1)
    ask(BlindScorer(other, Quota(4, 4), count, source(2)), "lender-a", 4, other)


@given(st.integers(1, 30), st.integers(1, 30), st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9))))
def test_no_order_of_requests_passes_a_limit(lifetime: int, share: int, asked: list[tuple[str, int]]) -> None:
    quota, count = Quota(lifetime, min(lifetime, share)), MemoryCount()
    granted = dict.fromkeys("abc", 0)
    for requester, applicants in asked:
        fits = sum(granted.values()) + applicants <= quota.lifetime
        fits = fits and granted[requester] + applicants <= quota.per_requester
        if fits:
            count.charge(b"m", requester, applicants, quota)
            granted[requester] += applicants
        else:
            with pytest.raises(QuotaError):
                count.charge(b"m", requester, applicants, quota)


@pytest.mark.parametrize(("lifetime", "share"), [(0, 0), (4, 5), (4, 0), (True, True), (-1, -1)])
def test_quotas_that_cannot_hold_are_refused(lifetime: int, share: int) -> None:
    with pytest.raises(MessageError):
        Quota(lifetime, share)


def test_after_states_all_counts() -> None:
    assert Quota(9, 5, per_day=4).after(Spent(3, 1), 4) == Spent(7, 5, 4)
    with pytest.raises(QuotaError, match=r"quota\.day: got 5, expected at most 4 applicants"):
        Quota(9, 5, per_day=4).after(Spent(3, 1, 1), 4)


def test_a_model_made_anew_of_the_same_weights_has_no_new_quota() -> None:
    count = MemoryCount()
    ask(BlindScorer(MODEL, Quota(4, 4), count, source(0)), "lender-a", 4)
    for change in ({"salt": bytes(16)}, {"intercept": 0.0}, {"part_of": (0,) * 20}, {"bound": 2}, {"flood": 15}):
        again = replace(MODEL, **change)
        assert again.counted_as() == MODEL.counted_as()
        with pytest.raises(QuotaError):
            ask(BlindScorer(again, Quota(4, 4), count, source(0)), "lender-a", 1, again)


def test_a_request_holds_as_many_values_as_leave_the_fresh_secret_hidden() -> None:
    flooded = MODEL.terms()
    assert Quota(4, 4).most_in_request(flooded) == 188
    assert Quota(4, 4).most_in_request(replace(MODEL, flood=0).terms()) == 94  # 28 bits a value where there is no noise
    assert Quota.extractable(9).most_in_request(flooded) == 4096


HALVES = BlindModel(drawn_model(8, 1, flood=10).weights, (0, 0, 0, 0, 1, 1, 1, 1), SALT, flood=10)


class Forgetful(MemoryCount):
    """A count that does not look at the parts."""

    def charge(self, model: bytes, requester: str, applicants: int, quota: Quota, parts: bytes = b"") -> None:
        super().charge(model, requester, applicants, quota)


@pytest.mark.parametrize("count", [Forgetful, MemoryCount])
def test_the_same_weights_in_other_parts_would_be_other_equations(count: type[MemoryCount]) -> None:
    """Three answers in two parts of four and four in one part of eight: ten equations, of which eight are enough."""
    one, spent = replace(HALVES, part_of=(0,) * 8), count()
    rng = np.random.default_rng(40)
    asked = rng.integers(0, 2, size=(7, 8))
    two_parts = BlindScorer(HALVES, Quota.below(HALVES), spent, source(0))
    one_part = BlindScorer(one, Quota.below(one), spent, source(1))
    rows, found = [], []
    for number, features in enumerate(asked):
        model, scorer = (HALVES, two_parts) if number < 3 else (one, one_part)
        pending, request = BlindClient(model.terms(), source(number)).ask([features])
        try:
            parts = pending.open(scorer.answer(f"lender-{number}", request)).parts[0]
        except QuotaError:
            break
        halves = np.array([features * (np.arange(8) < 4), features * (np.arange(8) >= 4)])
        rows += [*halves] if number < 3 else [features]
        found += parts.tolist()
    if count is MemoryCount:
        assert len(rows) == 6
        with pytest.raises(QuotaError, match=r"quota\.parts"):
            ask(one_part, "lender", 1, one)
        return
    weights = np.linalg.lstsq(np.array(rows, dtype=float), np.array(found), rcond=None)[0]
    assert np.linalg.matrix_rank(np.array(rows)) == 8
    assert weights == pytest.approx(HALVES.weights, abs=0.02)
