"""Where things are in an export, and the forms that only an export has. Pure.

>>> read_note_line(note_line(b"origin\\n0\\nroot\\n"))
b'origin\\n0\\nroot\\n'
>>> is_document("runs/spring/model.json"), is_document("runs/../model.json"), is_document("secret.txt")
(True, False, False)
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from federation.rounds.plan import Document
from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError

MANIFEST = "manifest.json"
ENTRIES = "log/entries.jsonl"  # every entry's bytes, a line each, in log order
CHECKPOINT = "log/checkpoint.note"  # the newest note, with its cosignatures
CHECKPOINTS = "log/checkpoints.jsonl"  # earlier notes, each as a JSON string
PROMISES = "log/promises.jsonl"  # the log's promises
DEPLOYMENT = "deployment.json"  # made from the entries; recomputed by whoever verifies
LOG_FILES = (ENTRIES, CHECKPOINT, CHECKPOINTS, PROMISES)
DOCUMENTS = ("plan", "model", "evaluation", "card")
MAX_FILES = 100_000
MAX_KEPT = 20_000  # earlier notes, and promises
_DOCUMENT = re.compile(rf"runs/([a-z0-9][a-z0-9._-]{{0,63}})/({'|'.join(DOCUMENTS)})\.json")


class Manifest(Document):
    """What is in an export: SHA-256 (hex) of every other file. A list, not a proof: anybody can write one."""

    max_bytes: ClassVar[int] = 16 * 2**20

    format: Literal["fedscore/v1/export"] = "fedscore/v1/export"
    origin: str
    size: int = Field(ge=0, lt=2**53)
    files: dict[str, str]


def is_document(path: str) -> bool:
    return _DOCUMENT.fullmatch(path) is not None


def document_path(run_id: str, name: str) -> str:
    """Where `name` ("plan", "model", "evaluation", "card") of a run is."""
    return f"runs/{run_id}/{name}.json"


def run_of(path: str) -> tuple[str, str]:
    """(run, name) of a document's path. Raises MessageError for another path."""
    found = _DOCUMENT.fullmatch(path)
    if found is None:
        raise MessageError("path", got=path[:100], expected="runs/RUN/NAME.json")
    return found[1], found[2]


def note_line(note: bytes) -> bytes:
    """A note, which has several lines, as one: a JSON string."""
    return canonical(note.decode())


def read_note_line(line: bytes) -> bytes:
    """Raises MessageError or EncodingError for what `note_line` did not write."""
    value = parse_canonical(line)
    if not isinstance(value, str):
        raise MessageError("checkpoints", got=type(value).__name__, expected="a note as a JSON string")
    return value.encode()
