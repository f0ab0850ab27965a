"""RFC 8785: its own examples, and one form per value."""

from __future__ import annotations

import json
import math

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from protocols.canonical import canonical, digest, parse_canonical
from protocols.errors import EncodingError

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES = st.recursive(SCALARS | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=12)


def test_the_numbers_and_literals_of_rfc_8785_section_3_2() -> None:
    value = {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27], "literals": [None, True, False]}
    expected = b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'
    assert canonical(value) == expected


@given(VALUES)
def test_a_value_has_one_form_and_it_parses_to_itself(value: object) -> None:
    data = canonical(value)  # type: ignore[arg-type]
    assert canonical(parse_canonical(data)) == data
    assert canonical(json.loads(json.dumps(value, indent=1))) == data


@given(VALUES)
def test_every_value_is_written_as_the_reference_implementation_writes_it(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_keys_are_in_the_order_of_rfc_8785_section_3_2_3() -> None:
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    expected = [2, 4, 6, 7, 1, 5, 3]  # a surrogate pair comes before U+FB33
    assert list(json.loads(canonical(value)).values()) == expected


@pytest.mark.parametrize("value", [-0.0, 0.0, 1.0, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 2**53 - 1, -(2**53) + 1])
def test_numbers_that_ecmascript_writes_in_its_own_way(value: float) -> None:
    assert canonical([value, value]) == rfc8785.dumps([value, value])


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}, {"\udc00\ud800": 1}, [[math.nan]], {"a": -(2**53)}])
def test_parts_without_a_form_are_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        canonical(value)  # type: ignore[arg-type]


def test_depth_without_end_is_refused() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(EncodingError):
        canonical(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, object(), {1: 2}, b"bytes"])
def test_values_without_a_form_are_refused(value: object) -> None:
    with pytest.raises(EncodingError):
        canonical(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [b"", b"{", b'{"b":1,"a":2}', b"1.0", b" 1", b'"\\u0061"', b"\xff", b"[" * 100_000])
def test_bytes_in_another_form_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        parse_canonical(data)


def test_a_digest_depends_on_its_label() -> None:
    assert digest("a", b"b") != digest("a\0b", b"")
    assert len(digest("a", b"")) == 32
