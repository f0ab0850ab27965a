"""A statement is its signer's, of its kind, to the byte."""

from __future__ import annotations

import pytest

from protocols.canonical import canonical, parse_canonical
from protocols.errors import ProtocolError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement

KEY = SigningKey.from_seed(bytes(32))
STATEMENT = Statement.sign("example", {"run": "r1", "round": 3}, KEY)


def test_what_was_signed_is_read() -> None:
    assert Statement.read(STATEMENT.entry) == STATEMENT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", {"run": "r1", "round": 4}),
        ("content", []),
        ("signer", SigningKey.from_seed(bytes([1]) * 32).public.hex),
        ("signer", "zz"),
        ("signature", "00" * 64),
        ("signature", STATEMENT.signature.hex().upper()),
        ("signature", 7),
        ("more", 1),
    ],
)
def test_anything_else_is_refused(field: str, value: object) -> None:
    body = parse_canonical(STATEMENT.entry.body) | {field: value}
    with pytest.raises(ProtocolError):
        Statement.read(Entry("example", canonical(body)))


def test_a_statement_of_one_kind_is_none_of_another() -> None:
    with pytest.raises(ProtocolError):
        Statement.read(Entry("another", STATEMENT.entry.body))
