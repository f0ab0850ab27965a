"""CSV text whose rows do not all have the header's number of fields, and what else can be wrong with a CSV file.

A ragged row cannot be read: which of its fields belong to which column is anybody's guess. `read_csv` leaves it in its
place with nothing in the file's columns, so that row numbers stay true, and says in two further columns how many fields
it has and what its text is; `validate` sends it to quarantine. A file without such rows gets no further columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from federation.errors import RecordsError

FIELDS = "(fields)"  # number of fields of a ragged row, null elsewhere
AS_READ = "(row)"  # its text
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class _Ragged:
    """Row `row` (from 0, without the header) has `fields` fields; its text is in the physical lines `first:last`."""

    row: int
    fields: int
    first: int
    last: int


def read_csv(data: bytes, where: str) -> pl.DataFrame:
    """The table in `data` (UTF-8, header row), all columns as text, the empty field as null.

    Raises RecordsError naming `where` and, where one is to blame, the row (from 1, the header not counted): NUL bytes,
    bytes that are not UTF-8, quotes that do not match, no header.
    """
    data = _without_blank_end(data.removeprefix(_BOM))
    if (position := data.find(b"\0")) >= 0:
        raise _bad_byte(data, position, where, "a NUL byte")
    try:
        frame = pl.read_csv(data, infer_schema=False)
    except pl.exceptions.NoDataError as error:
        raise RecordsError(where, got="an empty file", expected="a header row and records") from error
    except pl.exceptions.PolarsError:
        return _read_ragged(data, where)  # or the reason why it cannot be read
    return frame if _even(data, frame) else _read_ragged(data, where)


def _without_blank_end(data: bytes) -> bytes:
    """Blank lines at the end are no rows, unless there is one column: there a blank line is a missing value."""
    body = data.rstrip(b"\r\n")
    end = data[len(body) :]
    if end.count(b"\n") < 2 or b"," not in data.partition(b"\n")[0]:
        return data
    return body + (b"\r\n" if end.startswith(b"\r\n") else b"\n")


def _even(data: bytes, frame: pl.DataFrame) -> bool:
    """Has every row as many fields as the header? polars refuses rows with more; it fills up those with fewer."""
    if frame.width < 2 or not frame[frame.columns[-1]].null_count():
        return True
    return b'"' not in data and data.count(b",") == (frame.height + 1) * (frame.width - 1)


def _read_ragged(data: bytes, where: str) -> pl.DataFrame:
    width, height, ragged = _survey(data, where)
    if not ragged:
        return _read_even(data, where, height)
    lines = data.split(b"\n")
    kept, texts, at = list[bytes](), list[str](), 0
    for item in ragged:
        kept += lines[at : item.first]
        kept.append(b"," * (width - 1) or b'""')
        texts.append(b"\n".join(lines[item.first : item.last]).decode().rstrip("\r"))
        at = item.last
    kept += lines[at:]
    rows = pl.Series([item.row for item in ragged], dtype=pl.UInt32)
    said = pl.DataFrame({"at": rows, FIELDS: [item.fields for item in ragged], AS_READ: texts})
    whole = _read_even(b"\n".join(kept), where, height).with_row_index("at")
    if {FIELDS, AS_READ} & set(whole.columns):
        raise RecordsError(
            where, got=f"a column named {FIELDS} or {AS_READ}", expected="other names beside ragged rows"
        )
    return whole.join(said, on="at", how="left", maintain_order="left").drop("at")


def _survey(data: bytes, where: str) -> tuple[int, int, list[_Ragged]]:
    """Width of the header, number of rows, and the rows of another width, by the rules of RFC 4180."""
    records = _records(data, where)
    _, _, header = next((record for record in records if record[2]), (0, 0, []))
    width, height, ragged = len(header), 0, []
    for height, (first, last, fields) in enumerate(records, start=1):
        if len(fields) != width and (fields or width > 1):
            ragged.append(_Ragged(height - 1, len(fields), first, last))
    return width, height, ragged


def _records(data: bytes, where: str) -> Iterator[tuple[int, int, list[str]]]:
    """(first line, line after the last, fields) of every record, the header included; a blank line has no fields."""
    reader = csv.reader(io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="\n"), strict=True)
    row, first = 0, 0
    try:
        for fields in reader:
            row += 1
            yield first, reader.line_num, fields
            first = reader.line_num
    except UnicodeDecodeError:
        raise _not_utf8(data, where) from None
    except csv.Error as error:
        raise RecordsError(_at(where, row), got=f"no CSV ({error})", expected="fields and quotes that match") from None


def _read_even(data: bytes, where: str, height: int) -> pl.DataFrame:
    try:
        frame = pl.read_csv(data, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        # The library's message may quote a row of the file, so no more than its kind is passed on.
        raise RecordsError(where, got=type(error).__name__, expected="a sound CSV file") from None
    if frame.height != height:
        raise RecordsError(where, got=f"{frame.height} or {height} rows", expected="quotes that allow one reading")
    return frame


def _not_utf8(data: bytes, where: str) -> RecordsError:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return _bad_byte(data, error.start, where, "a byte that is not UTF-8")
    raise AssertionError("only for data that is not UTF-8")


def _bad_byte(data: bytes, position: int, where: str, got: str) -> RecordsError:
    """The error for the byte at `position`; its row is that of the text before it."""
    before = io.StringIO(data[:position].decode(errors="replace") + "x", newline="\n")
    try:
        place = _at(where, sum(1 for _ in csv.reader(before)) - 1)
    except csv.Error:
        place = where
    return RecordsError(place, got=got, expected="UTF-8 text")


def _at(where: str, row: int) -> str:
    return f"{where}: row {row}" if row > 0 else f"{where}: header"
