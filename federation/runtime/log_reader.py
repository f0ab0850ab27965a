"""The log over HTTP, as its readers outside the federation use it: C2SP tlog-tiles, and two doors for a regulator.

with LogReader("https://coordinator.example:9095", authority=Path("ca.crt")) as log:
    note = log.checkpoint(after=41, wait=30)      # the candidate, once there are more entries than that
    log.entries(41, 97)
    log.cosign(note)

Nothing is believed but form: whoever reads verifies what this fetches (`Mirror`, `federation.inquiries`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx

from federation.errors import FederationError
from federation.observability.health import beat
from federation.runtime.closing import Closing
from protocols.errors import ProtocolError
from protocols.transparency import Entry, Promise, Tile, bundles_of, read_bundle

MAX_BYTES = 2**25  # 256 entries of 64 KiB, twice
_TIMEOUT_S = 30.0
_REFUSALS = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE})


class LogUnreachable(FederationError):  # noqa: N818 (a state, not a fault)
    """The log does not answer, or not in the form of a log: ask again later."""


class LogRefused(LogUnreachable):
    """The log does not take this, and says why; others it may take."""


class LogReader(Closing):
    """One connection pool; thread-safe as httpx.Client is. Methods raise LogUnreachable; what posts, LogRefused too."""

    def __init__(self, url: str, authority: Path | None = None, *, timeout: float = _TIMEOUT_S) -> None:
        verify = str(authority) if authority is not None else True
        self._url, self._timeout = url, timeout
        self._client = httpx.Client(base_url=url, verify=verify, timeout=timeout, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def checkpoint(self, *, after: int = -1, wait: float = 0.0) -> bytes:
        """The candidate with its cosignatures; with `wait` (s): once it is of more than `after` entries, or later."""
        query = f"?after={after}&wait={int(wait)}" if wait and after >= 0 else ""
        note = self._get(f"checkpoint{query}", extra=wait)
        beat("log")
        return note

    def cosigned(self) -> bytes | None:
        """The newest checkpoint that a quorum cosigned, as the log says; None before there is one."""
        return self._get_or_none("checkpoint?cosigned=newest")

    def first_cosigned(self, after: int) -> bytes | None:
        """Likewise the smallest of more than `after` entries."""
        return self._get_or_none(f"checkpoint?cosigned=first&after={after}")

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        """Entries `start` .. `end` - 1, from bundles; one by one where a bundle cannot carry them."""
        for bundle in bundles_of(end, since=start):
            data = self._get_or_none(bundle.path)
            skip = max(0, start - bundle.first)
            if data is None:
                for index in range(bundle.first + skip, bundle.first + bundle.width):
                    yield self._get(f"entry/{index}")
                continue
            try:
                yield from read_bundle(data, bundle.width)[skip:]
            except ProtocolError as error:
                raise LogUnreachable(bundle.path, got=error.got, expected=error.expected) from error

    def tile(self, tile: Tile) -> bytes:
        """The hashes of a tile."""
        return self._get(tile.path)

    def document(self, sha256: str) -> bytes | None:
        """What was published under that hash (hex); None where the log does not have it."""
        return self._get_or_none(f"document/{sha256}")

    def cosign(self, note: bytes) -> None:
        """Hand in a checkpoint with this witness's line."""
        self._post("cosignature", note)

    def say(self, entry: Entry) -> Promise:
        """Submit a statement of the regulator; the log's promise, NOT yet verified."""
        try:
            return Promise.decode(self._post("statement", entry.data))
        except ProtocolError as error:
            raise LogUnreachable("statement", got=error.got, expected="the log's promise") from error

    def letters(self, order: bytes) -> bytes | None:
        """What members sealed for the regulator, after its signed order; None where no mailbox is served."""
        status, data = self._ask("POST", "letters", order, 0.0)
        if status == httpx.codes.NOT_FOUND:
            return None
        return self._taken("letters", status, data)

    def _get(self, path: str, *, extra: float = 0.0) -> bytes:
        status, data = self._ask("GET", path, None, extra)
        if status != httpx.codes.OK:
            raise LogUnreachable(f"{self._url}: {path}", got=f"status {status}", expected="a file of the log")
        return data

    def _get_or_none(self, path: str) -> bytes | None:
        status, data = self._ask("GET", path, None, 0.0)
        if status not in (httpx.codes.OK, httpx.codes.NOT_FOUND):
            raise LogUnreachable(f"{self._url}: {path}", got=f"status {status}", expected="a file of the log")
        return data if status == httpx.codes.OK else None

    def _post(self, path: str, body: bytes) -> bytes:
        return self._taken(path, *self._ask("POST", path, body, 0.0))

    def _taken(self, path: str, status: int, data: bytes) -> bytes:
        if status != httpx.codes.OK:
            told = data[:300].decode(errors="replace")
            refusal = LogRefused if status in _REFUSALS else LogUnreachable
            raise refusal(f"{self._url}: {path}", got=f"status {status}: {told}", expected="that it is taken")
        return data

    def _ask(self, method: str, path: str, body: bytes | None, extra: float) -> tuple[int, bytes]:
        parts, received = [], 0
        try:
            with self._client.stream(method, path, content=body, timeout=self._timeout + extra) as answer:
                for part in answer.iter_bytes():
                    received += len(part)
                    if received > MAX_BYTES:
                        raise LogUnreachable(path, got=f"over {MAX_BYTES} bytes", expected=f"at most {MAX_BYTES}")
                    parts.append(part)
        except httpx.HTTPError as error:
            raise LogUnreachable(self._url, got=type(error).__name__, expected="a log that answers") from error
        return answer.status_code, b"".join(parts)
