"""The one record that crosses Flower: an envelope's bytes there, an envelope's bytes back.

    Message(RecordDict({"fedscore": ConfigRecord({"envelope": bytes})}), ...)

A node that cannot answer leaves `envelope` empty and says why in `code`, one of a closed set: no text of an
institution's exceptions travels. Flower's own errors (a node that left, a refused bundle) come as `Message.error`.

>>> from federation.runtime.flower.in_process import InProcessGrid
>>> grid = InProcessGrid({7: lambda envelope: envelope.upper()})
>>> ids = grid.push_messages([request(7, b"hello", ttl=10.0)])
>>> [content(reply) for reply in grid.pull_messages(ids)]
[b'HELLO']
"""

from __future__ import annotations

from flwr.app import ConfigRecord, Message, MessageType, RecordDict

RECORD = "fedscore"
ENVELOPE = "envelope"
CODE = "code"
UNAVAILABLE = "unavailable"  # the institution's node process does not answer
MALFORMED = "malformed"  # the request holds no envelope
CODES = frozenset({UNAVAILABLE, MALFORMED})


def record(envelope: bytes, *, code: str = "") -> RecordDict:
    """The record dict that carries `envelope`, or the reason why there is none."""
    entries: dict[str, bytes | str] = {ENVELOPE: envelope}
    if code:
        entries[CODE] = code
    return RecordDict({RECORD: ConfigRecord(entries)})  # type: ignore[arg-type]


def request(node_id: int, envelope: bytes, *, ttl: float, group: str = "") -> Message:
    """A query to `node_id`, valid for `ttl` seconds. `group` names the round in Flower's logs."""
    return Message(record(envelope), node_id, MessageType.QUERY, ttl=ttl, group_id=group)


def content(message: Message) -> bytes | None:
    """The envelope a message carries, or None where it carries an error, another record or nothing."""
    if message.has_error():
        return None
    found = message.content.get(RECORD)
    value = found.get(ENVELOPE) if isinstance(found, ConfigRecord) else None
    return value if isinstance(value, bytes) and value else None


def refusal(message: Message) -> str:
    """Why a reply carries no envelope: one of CODES, or `flower-<number>` for an error of Flower's own."""
    if message.has_error():
        return f"flower-{message.error.code}"
    found = message.content.get(RECORD)
    code = found.get(CODE) if isinstance(found, ConfigRecord) else None
    return code if isinstance(code, str) and code in CODES else MALFORMED
