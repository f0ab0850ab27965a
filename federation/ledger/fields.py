"""What a field of an entry may hold: exactly one JSON type, bounded. Each raises LedgerError naming the field.

>>> whole("entry.sequence", 3, least=1)
>>> whole("entry.sequence", True, least=1)
Traceback (most recent call last):
federation.errors.LedgerError: entry.sequence: got True, expected a whole number, at least 1

Whoever reads entries of strangers keeps their fields, sorts and prints them; so nothing passes here that is not what it
is declared to be. That a number is written in its one form is for the canonical text to show (RFC 8785).
"""

from __future__ import annotations

import re

from federation.errors import LedgerError

MOST = 2**53 - 1  # whole numbers that a JSON reader of any language keeps exactly
TEXT = 200
_HASH = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[0-9a-f]{16}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")


def text(field: str, value: object, most: int = TEXT) -> None:
    """Printable, at most `most` characters; may be empty."""
    if type(value) is not str or len(value) > most or not value.isprintable():
        raise _wrong(field, value, f"at most {most} printable characters")


def whole(field: str, value: object, *, least: int = 0) -> None:
    """Not a truth value, and not a fraction."""
    if type(value) is not int or not least <= value <= MOST:
        raise _wrong(field, value, f"a whole number, at least {least}")


def require_hash(field: str, value: object) -> None:
    """A SHA-256 in lower-case hexadecimal."""
    _match(_HASH, field, value, "64 hexadecimal digits")


def key_id(field: str, value: object) -> None:
    """As `VerifyingKey.key_id` gives it."""
    _match(_KEY_ID, field, value, "16 hexadecimal digits")


def signature(field: str, value: object) -> bytes:
    """The 64 bytes of an Ed25519 signature in lower-case hexadecimal."""
    _match(_SIGNATURE, field, value, "128 lower-case hexadecimal digits")
    return bytes.fromhex(str(value))


def _match(form: re.Pattern[str], field: str, value: object, expected: str) -> None:
    if type(value) is not str or not form.fullmatch(value):
        raise _wrong(field, value, expected)


def _wrong(field: str, value: object, expected: str) -> LedgerError:
    return LedgerError(field, got=str(value)[:70], expected=expected)
