"""Published documents by their hash: the files of runs that a `model` or `evaluation` entry of the log names.

documents = PublishedDocuments(store, home.signing_key.public, home.runs)
documents.read(sha256)          # their bytes; None for a hash that no entry names, or a file that is another by now

The log is told the hash, the file stays where the run left it: HOME/runs/RUN/NAME.json.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

from federation.oversight.rounds import EVALUATION, MODEL, Publication
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Statement, read_entry
from server.log.log_store import MAX_PAGE, LogStore

MAX_DOCUMENT_BYTES = 2**25
_log = get_logger("log")


class PublishedDocuments:
    """Of the log in `store`: what the coordinator of `key` said is published below `runs`. Thread-safe."""

    def __init__(self, store: LogStore, key: VerifyingKey, runs: Path) -> None:
        self._store, self._key, self._runs = store, key, runs
        self._next = {MODEL: 0, EVALUATION: 0}
        self._files: dict[str, Path] = {}  # by SHA-256
        self._lock = threading.Lock()

    def read(self, sha256: str) -> bytes | None:
        """The document of that hash (hex). Where its file is missing, exchanged or above the limit: None, and told."""
        with self._lock:
            if sha256 not in self._files:
                self._follow()
            path = self._files.get(sha256)
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                data = file.read(MAX_DOCUMENT_BYTES + 1)
        except OSError:
            data = b""
        if len(data) > MAX_DOCUMENT_BYTES or hashlib.sha256(data).hexdigest() != sha256:
            _log.error("a published document is not there as it was logged", run_id=path.parent.name, kind=path.stem)
            return None
        return data

    def _follow(self) -> None:
        """What was said since the last look; what is not the coordinator's saying names nothing."""
        for kind in self._next:
            for data in self._new(kind):
                try:
                    statement = Statement.read(read_entry(data))
                    said = Publication.from_json(statement.content)
                except ProtocolError as error:
                    _log.error("a publication is not as it should be", kind=kind, code=type(error).__name__)
                    continue
                if statement.signer == self._key:
                    self._files[said.document_hash] = self._runs / said.run_id / f"{kind}.json"
                    if said.card_hash:
                        self._files[said.card_hash] = self._runs / said.run_id / "card.json"

    def _new(self, kind: str) -> Iterator[bytes]:
        while True:
            page = self._store.entries(self._next[kind], MAX_PAGE, kind)
            self._next[kind] = page.next
            yield from (data for _, data in page.entries)
            if len(page.entries) < MAX_PAGE:
                return
