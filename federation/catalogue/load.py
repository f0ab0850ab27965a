"""Catalogues by name or file.

>>> load_catalogue("synthetic").subject
'person_id'
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from federation.catalogue.document import Document
from federation.catalogue.resolve import resolve
from federation.catalogue.rules import check
from federation.catalogue.values import Catalogue
from federation.errors import CatalogueError

_MAX_BYTES = 4_000_000
_OPERATORS = {"ratio", "sum", "mean", "max", "min", "count_above", "first_above"}


def shipped_catalogues() -> tuple[str, ...]:
    """Names of the catalogues that come with fedscore."""
    folder = files("federation.catalogue.shipped")
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def load_catalogue(name_or_path: str | Path) -> Catalogue:
    """The shipped catalogue of that name, or the one in that TOML file.

    Raises CatalogueError("FILE: key.path", got, expected) at the first thing that is wrong.
    """
    if isinstance(name_or_path, str) and name_or_path in shipped_catalogues():
        return _shipped(name_or_path)
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(shipped_catalogues())
        raise CatalogueError(str(path), got="no such file or name", expected=f"a TOML file or one of {known}")
    if path.stat().st_size > _MAX_BYTES:
        raise CatalogueError(str(path), got=f"{path.stat().st_size} bytes", expected=f"at most {_MAX_BYTES}")
    return parse_catalogue(path.read_bytes(), source=str(path))


@cache
def _shipped(name: str) -> Catalogue:
    data = (files("federation.catalogue.shipped") / f"{name}.toml").read_bytes()
    return parse_catalogue(data, source=f"{name}.toml")


def parse_catalogue(data: bytes, *, source: str) -> Catalogue:
    """The catalogue in TOML bytes; `source` is the name that errors carry."""
    document = _document(_toml(data, source), source)
    try:
        check(document)
    except CatalogueError as error:
        raise CatalogueError(f"{source}: {error.where}", got=error.got, expected=error.expected) from error
    return resolve(document)


def _toml(data: bytes, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(source, got=str(error), expected="TOML in UTF-8") from error


def _document(content: dict[str, Any], source: str) -> Document:
    try:
        return Document.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"{source}: {_path(first)}"
        raise CatalogueError(where, got=_got(first), expected=_expected(first)) from error


def _path(detail: ErrorDetails) -> str:
    parts: list[str] = []
    for part in detail["loc"]:
        is_tag = len(parts) == 2 and parts[0] == "derived" and part in _OPERATORS
        if not is_tag and not str(part).startswith(("constrained-", "tuple[", "int", "float", "str")):
            parts.append(str(part))
    return ".".join(parts) or "file"


def _got(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind in ("missing", "union_tag_not_found"):
        return "nothing"
    if kind == "extra_forbidden":
        return "an unknown key"
    return repr(detail["input"])[:200]


def _expected(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind == "missing":
        return "this key"
    if kind == "extra_forbidden":
        return "only the keys of the data standard (docs/catalogue.md)"
    if kind.startswith("union_tag"):
        return f"op = one of {', '.join(sorted(_OPERATORS))}"
    if kind == "string_pattern_mismatch":
        return f"text like {detail['ctx']['pattern']}"
    return detail["msg"].removeprefix("Input should be ")
