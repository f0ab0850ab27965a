"""Vectors on the wire: floats, integers, masked integers; what is refused, and by which name."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError, Refused
from federation.privacy.lattice import MOST
from federation.rounds import vectors
from federation.rounds.vectors import AnyForm, Form, MaskedForm, exact_sum, to_bytes

WHOLE = st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=20)


@given(WHOLE)
def test_integers_survive_the_wire(values: list[int]) -> None:
    vector = np.array(values, dtype=np.int64)
    data = to_bytes(vector)
    assert len(data) == 8 * len(values)
    assert np.array_equal(Form("int64", len(values)).read(data), vector)


def test_bytes_are_little_endian_whatever_the_machine() -> None:
    assert to_bytes(np.array([1, -1], dtype=">i8")) == b"\1" + 7 * b"\0" + 8 * b"\xff"
    assert to_bytes(np.array([1.0], dtype=">f4")) == np.array([1.0], dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("form", "vector", "code"),
    [
        (Form("int64", 2), np.array([1, 2, 3]), "wrong_shape"),
        (MaskedForm(2, {"a": 1}), np.array([1, 2, 3], np.uint32), "wrong_shape"),
        (MaskedForm(2, {"a": 1}), np.array([1, 2], np.uint64), "wrong_shape"),
        (MaskedForm(2, {"a": 2**31}), np.array([1, 2], np.uint32), "wrong_shape"),
        (Form("float32", 2), np.array([1, 2]), "wrong_shape"),
        (Form("int64", 2, 4.0), np.array([3, 4]), "oversized"),
        (Form("int64", 1), np.array([MOST + 1]), "oversized"),
        (Form("int64", 1), np.array([-(2**63)]), "oversized"),
        (Form("float32", 2, 4.0), np.array([3, 4], dtype=np.float32), "oversized"),
        (Form("float32", 1), np.array([np.nan], dtype=np.float32), "not_finite"),
    ],
)
def test_what_no_honest_answer_looks_like_is_refused(form: AnyForm, vector: np.ndarray, code: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(Refused) as caught:
        form.read(to_bytes(vector))
    assert caught.value.code == code


def test_under_masks_any_number_is_honest() -> None:
    for bound, words in ((1, np.array([2**31, 2**32 - 1], np.uint32)), (2**31, np.array([2**63, 1], np.uint64))):
        assert (MaskedForm(2, {"a": bound}).read(to_bytes(words)) == words).all()


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


@pytest.mark.parametrize(("size", "end"), [(4, 2**31), (8, 2**63)])
@given(data=st.data())
def test_sums_at_the_very_bound_are_exact_and_what_is_beyond_is_not_masked(
    size: int, end: int, data: st.DataObject
) -> None:
    """Any bounds that add up to the last sum that a word can tell, and members that all go to theirs."""
    cuts = sorted(data.draw(st.lists(st.integers(0, end - 1), min_size=2, max_size=6)))
    shares = [high - low for low, high in zip([0, *cuts], [*cuts, end - 1], strict=True)]
    form = MaskedForm(3, {f"bank-{at}": share for at, share in enumerate(shares)})
    assert form.word_bytes == size
    sent = {name: np.array([bound, -bound, 0]) for name, bound in form.bounds.items()}
    words = [form.words(name, vector) for name, vector in sent.items()]
    assert {each.itemsize for each in words} == {size}
    assert form.sum(words).tolist() == [end - 1, 1 - end, 0]
    for name, bound in form.bounds.items():
        if bound == 2**63 - 1:
            continue  # an int64 has no more
        for sign in (1, -1):
            beyond = np.array([0, sign * bound, sign * (bound + 1)])
            with pytest.raises(Refused, match="a larger number") as caught:
                form.words(name, beyond)
            assert caught.value.code == "oversized"


def test_one_more_than_a_word_can_tell_takes_a_larger_one_or_none() -> None:
    """The control: in the smaller word that sum would be another, and nothing would show it."""
    assert [MaskedForm(1, {"a": 2**30, "b": rest}).word_bytes for rest in (2**30 - 1, 2**30)] == [4, 8]
    wrapped = MaskedForm(1, {"a": 2**30, "b": 2**30 - 1}).sum([np.array([2**30], np.uint32)] * 2)
    assert wrapped.tolist() == [-(2**31)]
    MaskedForm(1, {"a": 2**62, "b": 2**62 - 1})
    with pytest.raises(ConfigurationError, match="bound of b: got -1"):
        MaskedForm(1, {"a": 2**63, "b": -1})
    with pytest.raises(Refused, match="at least 1"):
        MaskedForm(0, {"a": 1})
    with pytest.raises(ConfigurationError, match="nominal_records"):
        MaskedForm(1, {"a": 2**62, "b": 2**62})


def test_a_bound_on_a_norm_bounds_every_number() -> None:
    form = MaskedForm.of_norms(2, {"a": 4.2, "b": 3.0})
    assert dict(form.bounds) == {"a": 5, "b": 3}
    assert form.total == Form("int64", 2, 8.0)
    with pytest.raises(Refused, match="expected at most 3"):
        form.words("b", np.array([-(2**63), 0]))  # its absolute value would be negative


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(vectors)
    assert result.attempted
    assert not result.failed
