"""Canonical bytes and labelled digests.

>>> canonical({"b": 1, "a": [True, None]})
b'{"a":[true,null],"b":1}'
>>> digest("fedscore/v1/example", canonical({})).hex()[:16]
'15fafb9ec3cb8051'

JSON is canonicalised by RFC 8785 (JCS). A digest is SHA-256(label || 0x00 || bytes): the label says what the bytes are,
so a digest made for one purpose is never accepted for another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import rfc8785

from protocols.errors import EncodingError

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None


def canonical(value: JSON) -> bytes:
    """RFC 8785 bytes of `value`. Raises EncodingError for NaN, infinities, integers beyond 2^53 and foreign types."""
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, ValueError, TypeError) as error:
        raise EncodingError("value", got=type(error).__name__, expected="a JSON value (RFC 8785)") from error


def parse_canonical(data: bytes) -> Any:
    """The value of canonical JSON bytes. Raises EncodingError unless re-encoding gives the very same bytes."""
    try:
        value = json.loads(data, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise EncodingError("bytes", got="no JSON", expected="canonical JSON (RFC 8785)") from error
    if canonical(value) != data:
        raise EncodingError("bytes", got="JSON that is not canonical", expected="canonical JSON (RFC 8785)")
    return value


def _number(text: str) -> int | float:
    """RFC 8785 writes large doubles as digits only (section 3.2.2.3): beyond 2^53 digits are a double."""
    value = int(text)
    return value if abs(value) < 2**53 else float(text)


def digest(label: str, data: bytes) -> bytes:
    """SHA-256 of `data` under the domain `label`; 32 bytes."""
    return hashlib.sha256(label.encode() + b"\x00" + data).digest()
