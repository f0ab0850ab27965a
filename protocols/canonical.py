"""Canonical bytes and labelled digests.

>>> canonical({"b": 1, "a": [True, None]})
b'{"a":[true,null],"b":1}'
>>> digest("fedscore/v1/example", canonical({})).hex()[:16]
'15fafb9ec3cb8051'

JSON is canonicalised by RFC 8785 (JCS). A digest is SHA-256(label || 0x00 || bytes): the label says what the bytes are,
so a digest made for one purpose is never accepted for another.

Fractions, the hard part of RFC 8785, are written by the library `rfc8785`, each once; strings by the standard library.
Walking the value here takes a quarter of the library's time, and whoever verifies a log does little else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, TypeAlias

import rfc8785

from protocols.errors import EncodingError

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None


def canonical(value: JSON) -> bytes:
    """RFC 8785 bytes of `value`. Raises EncodingError for NaN, infinities, integers beyond 2^53 and foreign types."""
    try:
        return _text(value).encode()
    except (rfc8785.CanonicalizationError, ValueError, TypeError, RecursionError) as error:
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


def _text(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return encode_basestring(value)  # escapes what section 3.2.2.2 escapes, and nothing else
    if kind is dict:
        # Keys in the order of their UTF-16 code units (section 3.2.3): for ASCII that of the text.
        names = sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_code_units)
        return "{" + ",".join([f"{encode_basestring(name)}:{_text(value[name])}" for name in names]) + "}"
    if kind is float:
        return _float(value)
    if kind is int and -_LARGEST <= value <= _LARGEST:
        return str(value)
    if kind is list or kind is tuple:
        return "[" + ",".join([_text(item) for item in value]) + "]"
    if value is None or kind is bool:
        return _LITERALS[value]
    return rfc8785.dumps(value).decode()  # refused, or of a type derived from one of these


_LARGEST = 2**53 - 1
_LITERALS = {None: "null", True: "true", False: "false"}


@lru_cache(maxsize=2**16)
def _float(value: float) -> str:
    return rfc8785.dumps(value).decode()


def _code_units(name: str) -> bytes:
    return name.encode("utf-16-be")


def _number(text: str) -> int | float:
    """RFC 8785 writes large doubles as digits only (section 3.2.2.3): beyond 2^53 digits are a double."""
    value = int(text)
    return value if abs(value) < 2**53 else float(text)


def digest(label: str, data: bytes) -> bytes:
    """SHA-256 of `data` under the domain `label`; 32 bytes."""
    return hashlib.sha256(label.encode() + b"\x00" + data).digest()
