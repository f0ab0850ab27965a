"""Checks that the contents of all statements share: each raises MessageError naming the field.

>>> require_hash("round.model_hash", "ab" * 32)
>>> require_keys("round", {"round": 1}, {"round"})
{'round': 1}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from typing import Any

from protocols.errors import MessageError

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


def require_hash(field: str, value: object, *, or_none: bool = False) -> None:
    """A SHA-256 in lower-case hexadecimal; `or_none`: or the empty text."""
    if not isinstance(value, str) or not (_HASH.fullmatch(value) or (or_none and value == "")):
        raise MessageError(field, got=str(value)[:70], expected="64 lower-case hexadecimal digits")


def require_name(field: str, value: object) -> None:
    """A run or an institution, as plans name them."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise MessageError(field, got=str(value)[:70], expected="lower-case letters, digits, . _ - (at most 64)")


def require_code(field: str, value: object) -> None:
    """One word of a closed list, kept by whoever says it."""
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise MessageError(field, got=str(value)[:70], expected="a code in lower case")


def require_count(field: str, value: object, least: int = 0) -> None:
    """A whole number, which a JSON reader of any language keeps exactly."""
    if type(value) is not int or not least <= value < 2**53:
        raise MessageError(field, got=str(value)[:70], expected=f"a whole number, at least {least}")


def require_keys(where: str, value: object, keys: Set[str]) -> Mapping[str, Any]:
    """A JSON object with exactly `keys`."""
    if not isinstance(value, Mapping) or set(value) != keys:
        got = sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
        raise MessageError(where, got=str(got)[:150], expected=f"an object of {', '.join(sorted(keys))}")
    return value
