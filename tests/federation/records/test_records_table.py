"""Files in: three formats, and what is wrong with a broken one."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from federation.errors import RecordsError
from federation.records import read_table


def test_three_formats_hold_the_same(tmp_path: Path) -> None:
    text = "a, b\n1,x\n,y\n"
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    expected = pl.DataFrame({"a": ["1", None], "b": ["x", "y"]})
    expected.write_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.csv.gz", "t.parquet"):
        assert read_table(tmp_path / name).equals(expected)


def test_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_table(tmp_path / "t.csv").columns == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("t.xlsx", b"", ".xlsx"),
        ("t", b"", "no suffix"),
        ("t.csv", b"", "an empty file"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "found more fields than defined"),
        ("t.csv", b"a,b\n1,\xff\xfe\n", "invalid utf-8"),
        ("t.csv", b"a,a\n1,2\n", "two columns named 'a'"),
        ("t.csv", b"a, a\n1,2\n", "two columns of one name"),
        ("t.parquet", b"no parquet at all", ""),
        ("t.csv.gz", b"\x1f\x8bbroken", ""),
    ],
)
def test_broken_file_is_named(tmp_path: Path, name: str, content: bytes, got: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordsError) as caught:
        read_table(path)
    assert caught.value.where == str(path)
    assert got in caught.value.got


def test_errors_do_not_quote_records(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\nsecret,secret,secret\n")
    with pytest.raises(RecordsError) as caught:
        read_table(path)
    assert "secret" not in str(caught.value)


def test_absent_file_and_table_without_columns(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no such file"):
        read_table(tmp_path / "none.csv")
    pl.DataFrame().write_parquet(tmp_path / "t.parquet")
    with pytest.raises(RecordsError, match="no columns"):
        read_table(tmp_path / "t.parquet")
