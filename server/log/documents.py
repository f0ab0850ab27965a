"""What the log's entries name by a hash: files of runs, published documents and the updates that rounds averaged.

documents = PublishedDocuments(store, home.signing_key.public, home.runs)
documents.read(hash)            # their bytes; None for a hash that no entry names, or a file that is another by now

The log is told the hash, the file stays where the run left it: HOME/runs/RUN/NAME.json under its SHA-256, and
HOME/runs/RUN/updates/UPDATE_HASH for as long as the operator leaves it there. Updates have their institution's noise,
or masks, and a sum has everybody's noise: whoever reads them learns no more of a person than epsilon says.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from federation.oversight.rounds import EVALUATION, MODEL, ROUND, Publication, RoundStatement
from federation.rounds.averaging import update_hash
from federation.runtime.logging import get_logger
from protocols.errors import ProtocolError
from protocols.signing import VerifyingKey
from protocols.transparency import Statement, read_entry
from server.checkpoint_store import UPDATES
from server.log.log_store import MAX_PAGE, LogStore

MAX_DOCUMENT_BYTES = 2**25
_log = get_logger("log")
Documents = Callable[[str], bytes | None]  # by hash (hex)


def no_documents(_hash: str) -> None:
    """For a log of which nothing is published."""


class PublishedDocuments:
    """Of the log in `store`: what the coordinator of `key` said is published below `runs`. Thread-safe."""

    def __init__(self, store: LogStore, key: VerifyingKey, runs: Path) -> None:
        self._store, self._key, self._runs = store, key, runs
        self._next = {MODEL: 0, EVALUATION: 0, ROUND: 0}
        self._files: dict[str, tuple[Path, Callable[[bytes], str]]] = {}  # by hash, and what makes it
        self._lock = threading.Lock()

    def read(self, named: str) -> bytes | None:
        """The bytes of that hash (hex). Where their file is missing, exchanged or above the limit: None, and told."""
        with self._lock:
            if named not in self._files:
                self._follow()
            path, hashed = self._files.get(named, (None, _sha256))
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                data = file.read(MAX_DOCUMENT_BYTES + 1)
        except OSError:
            data = b""
        if len(data) > MAX_DOCUMENT_BYTES or hashed(data) != named:
            run = path.relative_to(self._runs).parts[0]
            _log.error("a published document is not there as it was logged", run_id=run, kind=path.stem)
            return None
        return data

    def _follow(self) -> None:
        """What was said since the last look; what is not the coordinator's saying names nothing."""
        for kind in self._next:
            for data in self._new(kind):
                try:
                    statement = Statement.read(read_entry(data))
                    named = list(self._named(kind, statement.content))
                except ProtocolError as error:
                    _log.error("a publication is not as it should be", kind=kind, code=type(error).__name__)
                    continue
                if statement.signer == self._key:
                    self._files.update(named)

    def _named(self, kind: str, content: Any) -> Iterator[tuple[str, tuple[Path, Callable[[bytes], str]]]]:
        if kind == ROUND:
            said = RoundStatement.from_json(content)
            for each in (*(update.update_hash for update in said.updates.values()), said.sum_hash):
                if each:
                    yield each, (self._runs / said.run_id / UPDATES / each, _update_hash)
            return
        published = Publication.from_json(content)
        yield published.document_hash, (self._runs / published.run_id / f"{kind}.json", _sha256)
        if published.card_hash:
            yield published.card_hash, (self._runs / published.run_id / "card.json", _sha256)

    def _new(self, kind: str) -> Iterator[bytes]:
        while True:
            page = self._store.entries(self._next[kind], MAX_PAGE, kind)
            self._next[kind] = page.next
            yield from (data for _, data in page.entries)
            if len(page.entries) < MAX_PAGE:
                return


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _update_hash(data: bytes) -> str:
    return update_hash(data).hex()
