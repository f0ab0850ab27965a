"""The institution's side: an envelope's bytes in, the node's reply bytes out.

It holds no data and no keys and reads no envelope: the institution's own node process, on the local socket named by the
node configuration `node-socket`, checks and answers. A hostile app in this place can ask; it cannot take.
"""

from __future__ import annotations

import time

import grpc
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

METHOD = "/fedscore.training.v1.Node/Handle"
MAX_BYTES = 64 * 2**20 + 2**16
OPTIONS = (("grpc.max_receive_message_length", MAX_BYTES), ("grpc.max_send_message_length", MAX_BYTES))

app = ClientApp()


@app.query()
def forward(message: Message, context: Context) -> Message:
    """Always a reply, never an exception: no text of this institution's errors may reach the coordinator."""
    record = message.content.get("fedscore")
    envelope = record.get("envelope") if isinstance(record, ConfigRecord) else None
    if not isinstance(envelope, bytes) or not envelope:
        return reply(message, b"", "malformed")
    left = message.metadata.created_at + message.metadata.ttl - time.time()
    try:
        return reply(message, ask(str(context.node_config["node-socket"]), envelope, left), "")
    except Exception:
        return reply(message, b"", "unavailable")


def ask(socket: str, envelope: bytes, seconds: float) -> bytes:
    """The node's reply. A node that is starting is waited for; a request it was already given is never sent again."""
    with grpc.insecure_channel(f"unix:{socket}", options=OPTIONS) as channel:
        answer = channel.unary_unary(METHOD)(envelope, timeout=max(seconds, 0.0), wait_for_ready=True)
    if not isinstance(answer, bytes):
        raise TypeError
    return answer


def reply(message: Message, envelope: bytes, code: str) -> Message:
    record = ConfigRecord({"envelope": envelope})
    if code:
        record["code"] = code
    return Message(RecordDict({"fedscore": record}), reply_to=message)
