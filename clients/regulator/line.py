"""One line of the log, read once for all steps. Nothing is verified here but the form. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from federation.errors import FederationError
from federation.ledger.entries import SignedEntry
from federation.oversight.reservations import LEDGER_ENTRY, read_ledger_bytes
from protocols.canonical import parse_canonical
from protocols.errors import MessageError, ProtocolError
from protocols.transparency import Entry, leaf_hash
from protocols.transparency import read_entry as read_log_entry

_LEDGER = b'{"body":{"entry":'
_LOOKUP = re.compile(rb',"kind":"(lookup-[a-z0-9-]{1,25})","v":1}')
OF_INSTITUTIONS = frozenset(
    {"replay-commitment", "replay-result", "audit-result", "draw", "audit-request", "case", "consent-revoked"}
)
_KIND_BYTES = 60  # the end of any entry is shorter


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a ledger entry, without its bytes: what may be kept of every line."""

    index: int
    institution: str
    sequence: int

    @property
    def answerable(self) -> str:
        return self.institution

    @property
    def place(self) -> dict[str, Any]:
        return {"index": self.index, "institution": self.institution, "sequence": self.sequence}


@dataclass(frozen=True, slots=True)
class Line:
    """Entry `index` of the log.

    signed  of a ledger entry; its institution and sequence are beside it
    entry   of any other kind that is judged here; `content`: what its statement says, or the plan
    error   why the bytes are no entry; then the other fields are empty
    """

    index: int
    data: bytes
    kind: str = ""
    signed: SignedEntry | None = None
    entry: Entry | None = None
    content: Mapping[str, Any] | None = None
    error: Exception | None = None

    @property
    def leaf(self) -> bytes:
        """The leaf hash (RFC 6962)."""
        return leaf_hash(self.data)

    @property
    def answerable(self) -> str:
        """The institution that says this, or is asked for an answer here; empty where it is another party's saying."""
        if self.signed is not None:
            return self.signed.entry.institution
        named = None if self.content is None or self.kind not in OF_INSTITUTIONS else self.content.get("institution")
        return named if isinstance(named, str) else ""

    @property
    def place(self) -> dict[str, Any]:
        """What a finding says about where it is."""
        if self.signed is None:
            return {"index": self.index}
        entry = self.signed.entry
        return {"index": self.index, "institution": entry.institution, "sequence": entry.sequence}


def read_line(index: int, data: bytes) -> Line:
    """The line in `data`; one that is no entry says why."""
    try:
        if data.startswith(_LEDGER) and data.endswith(b'"ledger-entry","v":1}'):
            return Line(index, data, LEDGER_ENTRY, signed=read_ledger_bytes(data))
        return _other(index, data)
    except (ProtocolError, FederationError) as error:
        return Line(index, data, error=error)
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        return Line(index, data, error=MessageError("entry", got=type(error).__name__, expected="one that can be read"))


def _other(index: int, data: bytes) -> Line:
    lookup = _LOOKUP.search(data, max(0, len(data) - _KIND_BYTES))
    if lookup and lookup.end() == len(data):  # in forms of their own, which the members of an epoch judge
        return Line(index, data, lookup[1].decode())
    entry = read_log_entry(data)
    if entry.kind == LEDGER_ENTRY:
        raise MessageError(LEDGER_ENTRY, got="another form", expected="entry, hash and signature")
    body = parse_canonical(entry.body)
    said = body.get("content", body) if isinstance(body, dict) else {}
    return Line(index, data, entry.kind, entry=entry, content=said if isinstance(said, dict) else {})
