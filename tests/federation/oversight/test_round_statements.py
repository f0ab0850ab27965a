"""Statements about rounds and published documents: one JSON form, and nothing else passes for one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.oversight import Averaged, Publication, RoundStatement
from protocols.errors import MessageError, SignatureError
from protocols.signing import SigningKey
from protocols.transparency import Entry, Statement, read_entry

KEY = SigningKey.from_seed(bytes(32))
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)


@st.composite
def statements(draw: st.DrawFn) -> RoundStatement:
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    cut = draw(st.integers(1, len(names)))
    updates = {name: Averaged(draw(HASHES), draw(HASHES)) for name in names[:cut]}
    refused = dict.fromkeys(names[cut:], "not_finite")
    phase = draw(st.sampled_from(["train", "evaluate"]))
    result = draw(HASHES) if phase == "train" else ""
    place = (phase, draw(st.integers(0, 2**53 - 1)))
    return RoundStatement(draw(NAMES), draw(HASHES), *place, draw(HASHES), updates, result, refused)  # type: ignore[arg-type]


@given(statements())
def test_what_was_said_is_what_is_read(said: RoundStatement) -> None:
    entry = read_entry(said.entry(KEY).data)
    assert RoundStatement.from_json(Statement.read(entry).content) == said
    assert entry.kind == "round"


def valid() -> dict[str, Any]:
    averaged = {"bank-a": Averaged("aa" * 32, "bb" * 32)}
    return RoundStatement("run", "cc" * 32, "train", 1, "dd" * 32, averaged, "ee" * 32, {"bank-b": "late"}).to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "Run"},
        {"run_id": ""},
        {"plan_hash": "cc"},
        {"plan_hash": "CC" * 32},
        {"phase": "test"},
        {"round": -1},
        {"round": True},
        {"round": 1.0},
        {"round": 2**53},
        {"model_hash": None},
        {"result_hash": ""},
        {"updates": {}},
        {"updates": []},
        {"updates": {"bank-a": {"update_hash": "aa" * 32}}},
        {"updates": {"bank-a": {"update_hash": "aa" * 32, "reservation_hash": ""}}},
        {"updates": {"BANK": {"update_hash": "aa" * 32, "reservation_hash": "bb" * 32}}},
        {"refused": {"bank-a": "late"}},
        {"refused": {"bank-b": "No reason"}},
        {"refused": None},
        {"extra": 1},
    ],
)
def test_another_form_is_refused(change: dict[str, Any]) -> None:
    RoundStatement.from_json(valid())
    with pytest.raises(MessageError):
        RoundStatement.from_json({**valid(), **change})


@pytest.mark.parametrize("name", sorted(valid()))
def test_every_field_is_needed(name: str) -> None:
    with pytest.raises(MessageError):
        RoundStatement.from_json({key: value for key, value in valid().items() if key != name})


def test_a_publication_is_of_its_kind_only() -> None:
    said = Publication("run", "aa" * 32, "bb" * 32, "cc" * 32, "dd" * 32)
    entry = said.entry("model", KEY)
    assert Publication.from_json(Statement.read(entry).content) == said
    with pytest.raises(SignatureError):  # a model's document is no evaluation's
        Statement.read(Entry("evaluation", entry.body))


@pytest.mark.parametrize("change", [{"run_id": 1}, {"model_hash": ""}, {"card_hash": "x"}, {"document_hash": None}])
def test_a_publication_of_another_form_is_refused(change: dict[str, Any]) -> None:
    said = Publication("run", "aa" * 32, "bb" * 32, "cc" * 32)
    with pytest.raises(MessageError):
        Publication.from_json({**said.to_json(), **change})
