"""Fields of JSON documents from outside: the right shape, or a MessageError that names the field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from protocols.errors import MessageError


def take(value: Any, name: str, fields: Collection[str]) -> dict[str, Any]:
    """A copy of the JSON object `value`. Raises MessageError unless its keys are exactly `fields`."""
    if not isinstance(value, dict) or set(value) != set(fields):
        raise MessageError(name, got="other fields", expected=", ".join(fields))
    return dict(value)


def version_one(value: Any, name: str) -> None:
    if value != 1 or isinstance(value, bool):
        raise MessageError(f"{name}.version", got=value, expected=1)


def text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise MessageError(field, got=type(value).__name__, expected="a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:  # JSON can write half a surrogate pair
        raise MessageError(field, got="half a character", expected="a text that UTF-8 can carry") from error
    return value


def integer(value: Any, field: str, low: int = 0, high: int = 2**53 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise MessageError(field, got=value, expected=f"an integer from {low} to {high}")
    return value


def unix_time(value: Any, field: str) -> int:
    """Seconds that are a date: until the end of the year 9999, where calendars end."""
    return integer(value, field, high=253_402_300_799)


def from_hex(value: Any, field: str, length: int) -> bytes:
    """`length` bytes in lower-case hexadecimal; one spelling only, so that bytes and text name each other."""
    try:
        data = bytes.fromhex(text(value, field))
    except ValueError as error:
        raise MessageError(field, got="no hexadecimal digits", expected=f"{2 * length} of them") from error
    if len(data) != length or data.hex() != value:
        raise MessageError(
            field, got=f"{2 * len(data)} digits", expected=f"{2 * length} hexadecimal digits, lower case"
        )
    return data


def to_hex_map(values: Mapping[str, bytes]) -> dict[str, str]:
    return {name: data.hex() for name, data in values.items()}


def from_hex_map(value: Any, field: str, length: int) -> dict[str, bytes]:
    """The reverse of `to_hex_map`, in the order of the names."""
    if not isinstance(value, dict):
        raise MessageError(field, got=type(value).__name__, expected="an object")
    return {text(name, field): from_hex(value[name], f"{field}.{name}", length) for name in sorted(value)}


def sized(data: bytes, field: str, length: int) -> None:
    if len(data) != length:
        raise MessageError(field, got=f"{len(data)} bytes", expected=f"{length} bytes")
