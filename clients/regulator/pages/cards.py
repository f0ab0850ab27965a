"""Model cards that the coordinator handed over: read where they are, held against the hash in the log."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from clients.regulator.layout import document_path

_MAX_BYTES = 2**26


def read_card(folder: Path, run: str, published: tuple[tuple[str, dict[str, Any]], ...]) -> dict[str, Any] | None:
    """{"card": its JSON, "problem": why it is not to be believed, "" where its hash is logged}; None without one."""
    path = folder / document_path(run, "card")
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        data = path.read_bytes()
        card = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return {"card": {}, "problem": "the card cannot be read"}
    logged = [said["card_hash"] for kind, said in published if kind == "model" and said.get("run_id") == run]
    known = [hash_ for hash_ in logged if hash_]
    if not isinstance(card, dict):
        return {"card": {}, "problem": "the card cannot be read"}
    if not known:
        return {"card": card, "problem": "no entry of the log has this card's hash"}
    if hashlib.sha256(data).hexdigest() != known[-1]:
        return {"card": card, "problem": "the card is not the one whose hash was logged"}
    return {"card": card, "problem": ""}
