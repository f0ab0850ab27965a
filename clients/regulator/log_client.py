"""Reading a log over HTTP: C2SP tlog-tiles, as any client of any such log would.

trail = read_trail("https://coordinator.example:8443", policy.log)      # checkpoint first, then the entries it covers

Nothing is believed but form; entries are fetched again each time they are asked for, so that none is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx

from clients.regulator.trail import Trail
from federation.errors import ConfigurationError
from protocols.errors import ProtocolError
from protocols.transparency import VerifierKey, bundles_of, open_checkpoint, read_bundle

MAX_BYTES = 2**25  # 256 entries of 64 KiB, twice
_TIMEOUT_S = 30.0


def read_trail(url: str, key: VerifierKey, authority: Path | None = None) -> Trail:
    """The trail of the log of `key` at `url`; `authority`: certificate (PEM) that its server's is signed with.

    Raises ConfigurationError where it does not answer in the form of a log, MessageError or SignatureError where its
    checkpoint is not one of this log.
    """
    verify = str(authority) if authority is not None else True
    with httpx.Client(base_url=url, verify=verify, timeout=_TIMEOUT_S) as client:
        note = _get(client, "checkpoint")
    size = open_checkpoint(note, key).size

    def entries() -> Iterator[bytes]:
        with httpx.Client(base_url=url, verify=verify, timeout=_TIMEOUT_S) as client:
            for bundle in bundles_of(size):
                try:
                    yield from read_bundle(_get(client, bundle.path), bundle.width)
                except ProtocolError as error:
                    where = f"{url}: {bundle.path}"
                    raise ConfigurationError(where, got=error.got, expected=error.expected) from error

    return Trail(key.name, entries, note)


def _get(client: httpx.Client, path: str) -> bytes:
    where = f"{client.base_url}{path}"
    parts, received = [], 0
    try:
        with client.stream("GET", path) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ConfigurationError(where, got=f"status {answer.status_code}", expected="a file of the log")
            for part in answer.iter_bytes():
                received += len(part)
                if received > MAX_BYTES:
                    raise ConfigurationError(where, got=f"over {MAX_BYTES} bytes", expected=f"at most {MAX_BYTES}")
                parts.append(part)
    except httpx.HTTPError as error:
        raise ConfigurationError(where, got=type(error).__name__, expected="a log that answers") from error
    return b"".join(parts)
