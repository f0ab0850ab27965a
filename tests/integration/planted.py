"""A person whose identifier is written nowhere else, planted in a federation, and the search for every trace of it."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import polars as pl

from federation.lookup.identifiers import scheme
from federation.observability.targets import targets

PERSON = "planted-7f3ac941-person"
BY_MEMBERS = ("logs", "run", "oversight", "cases")  # folders of an institution that may name nobody


def plant(files: Iterable[Path]) -> str:
    """Give one person, whom all files have, the planted identifier; who it was."""
    tables = {file: pl.read_csv(file, infer_schema_length=0) for file in files}
    shared = set.intersection(*(set(table["person_id"]) for table in tables.values()))
    chosen = min(shared)
    for file, table in tables.items():
        named = pl.when(pl.col("person_id") == chosen).then(pl.lit(PERSON)).otherwise(pl.col("person_id"))
        table.with_columns(named.alias("person_id")).write_csv(file, compression="gzip")
    return chosen


def forms(*, of: str = PERSON) -> list[bytes]:
    """The identifier as text, in hexadecimal and in base64, as it is and as it is hashed."""
    plain = [of.encode(), scheme("opaque").normalise(of)]
    encoded = [base64.b64encode(plain[0])[:-4], *(text.hex().encode() for text in plain)]
    return [plain[0], plain[0].upper(), *encoded]


def traces(files: Iterable[Path]) -> list[Path]:
    """The files that hold the identifier in any form."""
    return [file for file in files if file.is_file() and any(form in file.read_bytes() for form in forms())]


def files_of(coordinator: Path, institutions: Iterable[Path]) -> Iterator[Path]:
    """All of the coordinator's, and those of institutions in which nobody may be named."""
    yield from coordinator.rglob("*")
    for home in institutions:
        for folder in BY_MEMBERS:
            yield from (home / folder).rglob("*")
        yield from home.glob("person.db*")


def shown(homes: Iterable[Path]) -> bytes:
    """What every endpoint of metrics and health says now."""
    found = b""
    for home in homes:
        for target in targets(home):
            for page in ("/metrics", "/healthz", "/readyz"):
                with closing(http.client.HTTPConnection(target.address, timeout=60)) as connection:
                    connection.request("GET", page)
                    found += connection.getresponse().read()
    return found
