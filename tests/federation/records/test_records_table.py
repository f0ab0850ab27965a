"""Files in: three formats, and what is wrong with a broken one."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import RecordsError
from federation.records import read_table
from federation.records.ragged import AS_READ, FIELDS, read_csv


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


# Without a time in it: every worker must collect the same tests.
CUT = gzip.compress(b"a,b\n" + b"1,2\n" * 1000, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "place", "got"),
    [
        ("t.xlsx", b"", "", ".xlsx"),
        ("t", b"", "", "no suffix"),
        ("t.csv", b"", "", "an empty file"),
        ("t.csv", b"a,b\n1,2\n3,\xff\xfe\n", ": row 2", "a byte that is not UTF-8"),
        ("t.csv", b"a,b\n1,2,3\n3,\xff\xfe\n", ": row 2", "a byte that is not UTF-8"),
        ("t.csv", b"a,b\n1,2\n3,4\0\n", ": row 2", "a NUL byte"),
        ("t.csv", b'a,b\n1,"x\ny"\n3,4\n\0', ": row 3", "a NUL byte"),
        ("t.csv", b"a,b\n1,2\r3,4\n\0", "", "a NUL byte"),
        ("t.csv", b"a,\0\n1,2\n", ": header", "a NUL byte"),
        ("t.csv", b'a,b\n1,2\n3,"4\n5,6\n', ": row 2", "no CSV (unexpected end of data)"),
        ("t.csv", b'a,b\n1,2\n3,"4"5\n', ": row 2", "no CSV ('"),
        ("t.csv", b'a,"b"c\n1,2,3\n', ": header", "no CSV ('"),
        ("t.csv", b"a,b\n1,2\r3,4\n", ": row 1", "no CSV (new-line character"),
        ("t.csv", b"a,a\n1,2\n", "", "two columns named 'a'"),
        ("t.csv", b"a, a\n1,2\n", "", "two columns of one name"),
        ("t.csv", b"a,(fields)\n1,2,3\n", "", "a column named (fields) or (row)"),
        ("t.parquet", b"no parquet at all", "", "Error"),
        ("t.csv.gz", b"\x1f\x8b\x08\x00" + b"garbage" * 9, "", "a gzip stream that is damaged"),
        ("t.csv.gz", CUT[:3], "", "a gzip stream that is cut off"),
        ("t.csv.gz", CUT[: len(CUT) // 2], "", "a gzip stream that is cut off"),
        ("t.csv.gz", CUT[:-1], "", "a gzip stream that is cut off"),
        ("t.csv.gz", CUT[:-6] + b"\0" + CUT[-5:], "", "a gzip stream that is damaged"),
        ("t.csv.gz", gzip.compress(b"a,b\n1,2\n3\0,4\n", mtime=0), ": row 2", "a NUL byte"),
    ],
)
def test_broken_file_is_named(tmp_path: Path, name: str, content: bytes, place: str, got: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RecordsError) as caught:
        read_table(path)
    assert caught.value.where == f"{path}{place}"
    assert got in caught.value.got


@pytest.mark.parametrize("content", [b'a,b\n1,2\nsecret,"secret"x\n', b"a,b\n1,2\nsecret\0,secret\n"])
def test_errors_do_not_quote_records(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(RecordsError) as caught:
        read_table(path)
    assert "secret" not in str(caught.value)


RAGGED = b'a,b,c\n1,2,3\n4,5\n"x,1","y\n""z",6,7\n\n8,9,\n10,,12'


@pytest.mark.parametrize("text", [RAGGED, RAGGED.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf\n" + RAGGED + b"\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_ragged_rows_keep_their_place_and_their_text(tmp_path: Path, text: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    table = read_table(path)
    assert table.columns == ["a", "b", "c", FIELDS, AS_READ]
    assert table["a"].to_list() == ["1", None, None, None, "8", "10"]
    assert table["c"].to_list() == ["3", None, None, None, None, "12"]
    assert table[FIELDS].to_list() == [None, 2, 4, 0, None, None]
    assert [t and t.replace("\r", "") for t in table[AS_READ]] == [None, "4,5", '"x,1","y\n""z",6,7', "", None, None]


def test_one_column_may_be_blank_but_not_two(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n\n2,3\n4\n")
    assert read_table(tmp_path / "t.csv").rows() == [
        ("1", None, None),
        (None, None, None),
        ("", 2, "2,3"),
        ("4", None, None),
    ]


def test_a_missing_last_value_is_no_raggedness(tmp_path: Path) -> None:
    for text in ("a,b\n1,\n2,3\n", 'a,b\n"1,",\n2,3\n'):
        (tmp_path / "t.csv").write_text(text)
        assert read_table(tmp_path / "t.csv").columns == ["a", "b"]


CELL = st.text(st.sampled_from('ab ,"\n1é'), max_size=4)


@given(
    st.integers(2, 4), st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=12), st.sampled_from(["\n", "\r\n"])
)
def test_every_row_of_any_file_is_read_or_kept_as_read(width: int, rows: list[list[str]], end: str) -> None:
    names = [f"c{i}" for i in range(width)]
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows([names, *rows])
    table = read_csv(out.getvalue().encode(), "t.csv")
    assert table.height == len(rows)
    ragged = [len(row) != width for row in rows]
    assert (FIELDS in table.columns) == any(ragged)
    for found, row, is_ragged in zip(table.iter_rows(named=True), rows, ragged, strict=True):
        if is_ragged:
            assert found[FIELDS] == len(row)
            assert next(csv.reader(io.StringIO(found[AS_READ], newline=""))) == row or row == [""]
        else:
            assert [found[name] or "" for name in names] == row


def test_absent_file_and_table_without_columns(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="no such file"):
        read_table(tmp_path / "none.csv")
    pl.DataFrame().write_parquet(tmp_path / "t.parquet")
    with pytest.raises(RecordsError, match="no columns"):
        read_table(tmp_path / "t.parquet")
