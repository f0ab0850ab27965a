"""Tables from files, as they are: text from CSV, typed columns from Parquet. No value is interpreted here."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from federation.errors import RecordsError

FORMATS = (".csv", ".csv.gz", ".parquet")


def read_table(path: str | Path) -> pl.DataFrame:
    """The table in `path` (.csv, .csv.gz, .parquet). CSV is UTF-8 with a header row; its columns come as text.

    Raises RecordsError for a file that is absent, of another format, broken, empty or with two columns of one name.
    """
    path = Path(path)
    if not path.name.lower().endswith(FORMATS):
        raise RecordsError(str(path), got=path.suffix or "no suffix", expected=f"one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise RecordsError(str(path), got="no such file", expected="a data file")
    return _clean_names(path, _read(path))


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.name.lower().endswith(".parquet"):
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema=False)
    except pl.exceptions.NoDataError as error:
        raise RecordsError(str(path), got="an empty file", expected="a header row and records") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        # The library's message may quote a row of the file, so only its first sentence and no value is passed on.
        raise RecordsError(str(path), got=_reason(error), expected=f"a sound {path.suffix} file") from error


def _reason(error: Exception) -> str:
    known = ("found more fields than defined", "invalid utf-8", "unterminated", "Out of bounds", "gzip", "magic")
    text = str(error)
    return next((phrase for phrase in known if phrase.lower() in text.lower()), type(error).__name__)


def _clean_names(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    if frame.width == 0:
        raise RecordsError(str(path), got="no columns", expected="a header row and records")
    names = [name.strip() for name in frame.columns]
    for name in names:
        stem, mark, _ = name.rpartition("_duplicated_")
        if mark and stem in names:
            raise RecordsError(str(path), got=f"two columns named {stem!r}", expected="columns with different names")
    if len(set(names)) < len(names):
        raise RecordsError(str(path), got="two columns of one name", expected="columns with different names")
    return frame.rename(dict(zip(frame.columns, names, strict=True)), strict=False)
