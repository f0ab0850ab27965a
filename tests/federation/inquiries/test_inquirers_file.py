"""The inquirers file: what is written is read, what is no such file is refused by its field."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import ConfigurationError
from federation.inquiries.inquirers import Inquirer, Inquirers
from protocols.errors import MessageError

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=1000, exclude_characters="\x7f"), min_size=1, max_size=64)
COUNTS = st.integers(0, 2**40)
ROWS = st.builds(
    Inquirer,
    leaf=st.binary(min_size=32, max_size=32).map(bytes.hex),
    querier=NAMES,
    purpose=NAMES,
    inquiry=st.sampled_from(["hard", "soft", "unknown"]),
    epoch=COUNTS,
    issued_at=COUNTS,
    index=COUNTS,
)
ROW: dict[str, Any] = {
    "leaf": "ab" * 32,
    "querier": "bank-a",
    "purpose": "credit-application",
    "inquiry": "hard",
    "epoch": 1,
    "issued_at": 1_900_000_000,
    "index": 7,
}


@given(rows=st.lists(ROWS, max_size=5))
def test_what_is_written_is_read(rows: list[Inquirer]) -> None:
    told = Inquirers("fedscore/log/x", 9, "cd" * 32, "all", tuple(rows))
    assert Inquirers.from_json(json.loads(json.dumps(told.to_json()))) == told


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    told = Inquirers("fedscore/log/x", 9, "cd" * 32, "all", (Inquirer(**ROW),))
    told.write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert Inquirers.read(tmp_path / "file") == told


@pytest.mark.parametrize(
    ("field", "value"),
    [("leaf", "ab"), ("querier", ""), ("purpose", "x" * 65), ("inquiry", "firm"), ("epoch", -1), ("index", "7")],
)
def test_a_field_of_another_form_is_named(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match=field):
        Inquirer.from_json(ROW | {field: value})


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="inquirers file"):
        Inquirers.read(tmp_path / "nothing")
    (tmp_path / "text").write_text("no")
    with pytest.raises(ConfigurationError, match="no JSON"):
        Inquirers.read(tmp_path / "text")
    (tmp_path / "list").write_text("[]")
    with pytest.raises(MessageError):
        Inquirers.read(tmp_path / "list")
