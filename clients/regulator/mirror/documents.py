"""Published documents: fetched by the hashes that the log's entries name, kept where an export takes them from.

shelf = Shelf(home.documents, policy.coordinator)
shelf.take(line)                        # every entry, in log order
shelf.fetch(log, below=size)            # of the entries below `size`, what is not there yet
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from clients.regulator.layout import document_path
from clients.regulator.line import Line
from federation.oversight.rounds import EVALUATION, MODEL, Publication
from federation.runtime.logging import get_logger
from federation.runtime.private_files import write_public
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Statement

_log = get_logger("watch")


class Log(Protocol):
    """Where documents are fetched; `LogReader` is the real one."""

    def document(self, sha256: str) -> bytes | None: ...


@dataclass
class Shelf:
    """`folder` is laid out like an export: runs/RUN/NAME.json. `key` is the coordinator's. One thread."""

    folder: Path
    key: VerifyingKey
    _wanted: dict[str, tuple[int, str]] = field(default_factory=dict)  # path: the entry's place, SHA-256 (hex)

    def take(self, line: Line) -> None:
        """The newest publication of a run counts; what is not the coordinator's names nothing."""
        if line.kind not in (MODEL, EVALUATION) or line.entry is None:
            return
        try:
            statement = Statement.read(line.entry)
            said = Publication.from_json(statement.content)
        except ProtocolError:
            return  # the judge has named it
        if statement.signer == self.key:
            self._wanted[document_path(said.run_id, line.kind)] = (line.index, said.document_hash)
            if said.card_hash:
                self._wanted[document_path(said.run_id, "card")] = (line.index, said.card_hash)

    def fetch(self, log: Log, below: int) -> int:
        """How many came now. What has another hash is left out, and asked for again the next time. Raises what `log`
        raises, OSError.
        """
        due = [(path, sha256) for path, (index, sha256) in self._wanted.items() if index < below]
        return sum(self._fetch(log, path, sha256) for path, sha256 in due)

    def _fetch(self, log: Log, path: str, sha256: str) -> bool:
        file, data = self.folder / path, None
        if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            data = log.document(sha256)
            if data is None:
                return False
            if hashlib.sha256(data).hexdigest() != sha256:
                _log.error("the log gave another document than its entry names", run_id=file.parent.name)
                return False
            file.parent.mkdir(parents=True, exist_ok=True)
            write_public(file, data)
        del self._wanted[path]
        return data is not None
