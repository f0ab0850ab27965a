"""Vectors on the wire: floats, integers, masked integers; what is refused, and by which name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError, Refused
from federation.privacy.lattice import MOST
from federation.rounds.vectors import Form, exact_sum, to_bytes

WHOLE = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20)


@given(WHOLE)
def test_integers_survive_the_wire(values: list[int]) -> None:
    vector = np.array(values, dtype=np.int64)
    data = to_bytes(vector)
    assert len(data) == 8 * len(values)
    for numbers in ("int64", "masked"):
        assert np.array_equal(Form(numbers, len(values)).read(data), vector)  # type: ignore[arg-type]


def test_bytes_are_little_endian_whatever_the_machine() -> None:
    assert to_bytes(np.array([1, -1], dtype=">i8")) == b"\1" + 7 * b"\0" + 8 * b"\xff"
    assert to_bytes(np.array([1.0], dtype=">f4")) == np.array([1.0], dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("form", "vector", "code"),
    [
        (Form("int64", 2), np.array([1, 2, 3]), "wrong_shape"),
        (Form("masked", 2), np.array([1, 2, 3]), "wrong_shape"),
        (Form("float32", 2), np.array([1, 2]), "wrong_shape"),
        (Form("int64", 2, 4.0), np.array([3, 4]), "oversized"),
        (Form("int64", 1), np.array([MOST + 1]), "oversized"),
        (Form("int64", 1), np.array([-(2**63)]), "oversized"),
        (Form("float32", 2, 4.0), np.array([3, 4], dtype=np.float32), "oversized"),
        (Form("float32", 1), np.array([np.nan], dtype=np.float32), "not_finite"),
    ],
)
def test_what_no_honest_answer_looks_like_is_refused(form: Form, vector: np.ndarray, code: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(Refused) as caught:
        form.read(to_bytes(vector))
    assert caught.value.code == code


def test_under_masks_any_number_is_honest() -> None:
    assert Form("masked", 1, 1.0).read(to_bytes(np.array([-(2**63)]))).tolist() == [-(2**63)]


@given(st.lists(st.lists(st.integers(-(2**50), 2**50), min_size=3, max_size=3), min_size=1, max_size=9))
def test_sums_are_exact(rows: list[list[int]]) -> None:
    total = exact_sum(np.array(row, dtype=np.int64) for row in rows)
    assert total.tolist() == [sum(column) for column in zip(*rows, strict=True)]


def test_answers_that_would_wrap_around_together_are_refused() -> None:
    """Eight members that each say 2^61: modulo 2^64 their sum is nothing at all."""
    answers = [Form("int64", 2).read(to_bytes(np.array([MOST, -MOST]))) for _ in range(8)]
    assert np.sum(answers, axis=0).tolist() == [0, 0]
    with pytest.raises(Refused) as caught:
        exact_sum(answers)
    assert caught.value.code == "oversized"


@pytest.mark.parametrize("beyond", [[MOST, 1], [-MOST, -1]])
def test_a_sum_ends_where_its_numbers_do(beyond: list[int]) -> None:
    vectors = [np.array([number], dtype=np.int64) for number in beyond]
    assert exact_sum(vectors[:1]).tolist() == beyond[:1]
    with pytest.raises(Refused, match="sum"):
        exact_sum(vectors)


def test_the_form_of_a_total_leaves_room_below_the_words_end() -> None:
    assert Form.of_total(3, 2.0**62).numbers == "int64"
    with pytest.raises(ConfigurationError, match="nominal_records"):
        Form.of_total(3, 2.0**63)
