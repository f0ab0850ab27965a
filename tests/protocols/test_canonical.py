"""RFC 8785: its own examples, and one form per value."""

from __future__ import annotations

import json
import math

import pytest
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
