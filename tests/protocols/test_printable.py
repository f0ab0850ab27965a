"""Text from outside cannot move a cursor, forge a line or reorder what is read."""

from __future__ import annotations

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

import protocols.printable
from federation.errors import FederationError, Refused
from federation.ledger import Refusal
from protocols.errors import ProtocolError
from protocols.printable import LIMIT, printable

HOSTILE = "x\n2030-01-01 INFO node: all is well\x1b[2J\x1b]0;pwned\x07\u202e\u2028\x9b31m[bold]"


@given(st.text(max_size=400))
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert len(shown) == min(len(text), LIMIT)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert printable(shown) == shown


def test_ordinary_words_stay_as_they_are() -> None:
    for text in ("bank-a", "Österreichische Nationalbank", "日本銀行 [north]", ""):
        assert printable(text) == text


@pytest.mark.parametrize(
    "error",
    [
        FederationError(HOSTILE, got=HOSTILE, expected=HOSTILE),
        Refused(HOSTILE, HOSTILE, got=HOSTILE, expected=HOSTILE),
        ProtocolError(HOSTILE, got=HOSTILE, expected=HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_quote_strangers_harmlessly(error: Exception) -> None:
    assert str(error).isprintable()
    assert all(str(value).isprintable() for value in vars(error).values())


def test_a_refusal_is_harmless_before_it_is_signed() -> None:
    refusal = Refusal(HOSTILE, HOSTILE, HOSTILE * 20, HOSTILE, HOSTILE, HOSTILE)
    texts = [value for value in vars(refusal).values() if isinstance(value, str)]
    assert len(texts) == 6
    assert all(text.isprintable() and len(text) <= LIMIT for text in texts)


def test_examples_run() -> None:
    result = doctest.testmod(protocols.printable)
    assert result.attempted
    assert not result.failed
