"""Tables from files, as they are: text from CSV, typed columns from Parquet. No value is interpreted here."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import polars as pl

from federation.errors import RecordsError
from federation.records.ragged import read_csv

FORMATS = (".csv", ".csv.gz", ".parquet")
_GZIP = b"\x1f\x8b"


def read_table(path: str | Path) -> pl.DataFrame:
    """The table in `path` (.csv, .csv.gz, .parquet). CSV is UTF-8 with a header row; its columns come as text.

    CSV rows with more or fewer fields than the header are kept in place as `federation.records.ragged` says. Raises
    RecordsError for a file that is absent, of another format, broken, empty or with two columns of one name.
    """
    path = Path(path)
    if not path.name.lower().endswith(FORMATS):
        raise RecordsError(str(path), got=path.suffix or "no suffix", expected=f"one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise RecordsError(str(path), got="no such file", expected="a data file")
    return _clean_names(path, _read(path))


def _read(path: Path) -> pl.DataFrame:
    if not path.name.lower().endswith(".parquet"):
        return read_csv(_bytes(path), str(path))
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        # The library's message may quote the file, so no more than its kind is passed on.
        raise RecordsError(str(path), got=type(error).__name__, expected="a sound .parquet file") from None


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP) else data
    except EOFError:
        raise RecordsError(str(path), got="a gzip stream that is cut off", expected="a whole file") from None
    except (gzip.BadGzipFile, zlib.error):
        raise RecordsError(str(path), got="a gzip stream that is damaged", expected="a sound file") from None
    except OSError as error:
        raise RecordsError(str(path), got=error.strerror, expected="a file that can be read") from error


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
