"""What the log stores: canonical JSON {"body": a signed document, "kind": what it is, "v": 1}.

>>> data = entry_bytes("example", b'{"claim":1}')
>>> data
b'{"body":{"claim":1},"kind":"example","v":1}'
>>> read_entry(data)
Entry(kind='example', body=b'{"claim":1}')

The log is told the kind by whoever submits; what a body claims is checked by whoever reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocols.canonical import canonical, parse_canonical
from protocols.errors import MessageError
from protocols.transparency.merkle import leaf_hash

VERSION = 1
MAX_BODY_BYTES = 2**20
_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class Entry:
    """One entry: `body` is canonical JSON. Raises MessageError or EncodingError for anything else."""

    kind: str
    body: bytes

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise MessageError("entry.kind", got=self.kind[:64], expected="lower case letters, digits, hyphens")
        if len(self.body) > MAX_BODY_BYTES:
            raise MessageError("entry.body", got=f"{len(self.body)} bytes", expected=f"at most {MAX_BODY_BYTES}")
        parse_canonical(self.body)

    @property
    def data(self) -> bytes:
        return frame(self.kind, self.body)

    @property
    def hash(self) -> bytes:
        return leaf_hash(self.data)


def frame(kind: str, body: bytes) -> bytes:
    """As `entry_bytes`, for a body that is known to be canonical: then, with keys in order, so is the whole."""
    return b'{"body":%b,"kind":"%b","v":%d}' % (body, kind.encode(), VERSION)


def entry_bytes(kind: str, body: bytes) -> bytes:
    """The bytes that the log hashes. Raises MessageError (kind, size) or EncodingError (body not canonical)."""
    return Entry(kind, body).data


def entry_hash(kind: str, body: bytes) -> bytes:
    """The leaf hash of `body` as an entry of `kind`."""
    return Entry(kind, body).hash


def read_entry(data: bytes) -> Entry:
    """The entry in `data`. Raises MessageError or EncodingError unless `entry_bytes` gives the very same bytes."""
    if len(data) > MAX_BODY_BYTES + 64:
        raise MessageError("entry", got=f"{len(data)} bytes", expected=f"at most {MAX_BODY_BYTES + 64}")
    value = parse_canonical(data)
    if not isinstance(value, dict) or set(value) != {"body", "kind", "v"} or not isinstance(value["kind"], str):
        raise MessageError("entry", got="another form", expected="an object of body, kind and v")
    if value["v"] != VERSION or isinstance(value["v"], bool):
        raise MessageError("entry.v", got=value["v"], expected=VERSION)
    return Entry(value["kind"], canonical(value["body"]))
