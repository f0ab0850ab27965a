"""What commands about persons read: an identifier, never quoted where it is refused, and documents of wallets."""

from __future__ import annotations

import sys
from pathlib import Path

from federation.errors import ConfigurationError

MAX_SUBJECT = 1000
MAX_DOCUMENT = 64 * 2**10


def read_subject(subject: str | None, file: Path | None = None) -> str:
    """The identifier given, or the one line of `file`, or of standard input where `subject` is "-".

    Raises ConfigurationError for anything but one identifier; what was there is not quoted.
    """
    if file is None and subject != "-":
        return subject or ""
    where = "standard input" if file is None else str(file)
    try:
        text = sys.stdin.read(MAX_SUBJECT + 1) if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(where, got=type(error).__name__, expected="a readable text") from error
    lines = text.strip().splitlines()
    if len(lines) != 1 or len(text) > MAX_SUBJECT:
        raise ConfigurationError(where, got=f"{len(lines)} lines", expected="one identifier on one line")
    return lines[0]


def read_document(file: Path, what: str, most: int = MAX_DOCUMENT) -> bytes:
    """The bytes of a document, as they stand; more than `most` are cut, and then no document. Raises
    ConfigurationError, naming `what` was expected, for a file that cannot be read."""
    try:
        with file.open("rb") as opened:
            return opened.read(most + 1)
    except OSError as error:
        raise ConfigurationError(str(file), got=error.strerror, expected=what) from error
