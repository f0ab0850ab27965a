"""Documents of the runs: plans from the log's own entries, what was published by the hashes that its entries name.

shelf = Shelf(home.documents, policy.coordinator)
shelf.take(line)                        # every entry, in log order
shelf.fetch(log, below=size)            # of the entries below `size`, what is not there yet
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from clients.regulator.layout import document_path
from clients.regulator.line import Line, read_line
from clients.regulator.trail import Trail
from federation.errors import FederationError
from federation.oversight.rounds import EVALUATION, MODEL, PLAN, Publication
from federation.rounds.signed_plan import SignedPlan
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Statement

_log = get_logger("watch")


class Log(Protocol):
    """Where documents are fetched; `LogReader` is the real one."""

    def document(self, sha256: str) -> bytes | None: ...


@dataclass(frozen=True)
class Named:
    """A document by the entry at `index`: its SHA-256 (hex), and its bytes where the entry itself holds them."""

    index: int
    sha256: str
    data: bytes | None = None


def named_by(line: Line, key: VerifyingKey, known: Mapping[str, Named]) -> dict[str, Named]:
    """{runs/RUN/NAME.json: document} by an entry of `key`, the coordinator's.

    The first plan of a run counts, as for whoever verifies, and the newest publication of each kind.
    """
    try:
        if line.kind == PLAN and line.entry is not None:
            path = document_path(SignedPlan.read(line.entry.body).plan.run_id, "plan")
            body = line.entry.body
            return {} if path in known else {path: Named(line.index, hashlib.sha256(body).hexdigest(), body)}
        if line.kind not in (MODEL, EVALUATION) or line.entry is None:
            return {}
        statement = Statement.read(line.entry)
        said = Publication.from_json(statement.content)
    except (ProtocolError, FederationError):
        return {}  # the judge has named it
    if statement.signer != key:
        return {}
    found = {document_path(said.run_id, line.kind): Named(line.index, said.document_hash)}
    return found | ({document_path(said.run_id, "card"): Named(line.index, said.card_hash)} if said.card_hash else {})


def with_published(trail: Trail, key: VerifyingKey, log: Log) -> Trail:
    """`trail` with the documents that its entries name, held in memory; what `log` does not have is left out.

    Verification names what is missing, and holds what is there to its hash. Raises what `log` raises.
    """
    named: dict[str, Named] = {}
    for index, data in enumerate(trail.entries()):
        named |= named_by(read_line(index, data), key, named)
    got = {path: each.data or log.document(each.sha256) for path, each in named.items()}
    return replace(trail, documents={path: partial(bytes, data) for path, data in got.items() if data is not None})


@dataclass
class Shelf:
    """`folder` is laid out like an export: runs/RUN/NAME.json. `key` is the coordinator's. One thread."""

    folder: Path
    key: VerifyingKey
    _named: dict[str, Named] = field(default_factory=dict)
    _wanted: dict[str, Named] = field(default_factory=dict)

    def take(self, line: Line) -> None:
        """What is not the coordinator's names nothing."""
        found = named_by(line, self.key, self._named)
        self._named |= found
        self._wanted |= found

    def fetch(self, log: Log, below: int) -> int:
        """How many came now. What has another hash is left out, and asked for again the next time. Raises what `log`
        raises, OSError.
        """
        due = [(path, named) for path, named in self._wanted.items() if named.index < below]
        return sum(self._fetch(log, path, named) for path, named in due)

    def _fetch(self, log: Log, path: str, named: Named) -> bool:
        file, data, sha256 = self.folder / path, None, named.sha256
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            data = named.data or log.document(sha256)
            if data is None:
                return False
            if hashlib.sha256(data).hexdigest() != sha256:
                _log.error("the log gave another document than its entry names", run_id=file.parent.name)
                return False
            file.parent.mkdir(parents=True, exist_ok=True)
            write_public(file, data)
        del self._wanted[path]
        return data is not None
