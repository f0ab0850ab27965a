"""A Flower Grid whose nodes are functions: the round driver of a deployment, run in one process.

    grid = InProcessGrid({1: alpha.handle, 2: beta.handle, 3: gamma.handle})
    drive(grid, run="spring", home=home)

A handler takes an envelope's bytes and returns the reply's. A handler that raises is a node that fails: the driver
sees an error reply without a word of what was raised, as in a deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import count
from logging import getLogger

from flwr.app import Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from federation.runtime.flower import message as wire

Handler = Callable[[bytes], bytes]
_SUPERLINK = 1  # Flower's own id for the coordinator's side
_log = getLogger(__name__)


class InProcessGrid(Grid):
    """Nodes by id. Requests are handled one after the other when they are pushed, in the order given."""

    def __init__(self, handlers: Mapping[int, Handler]) -> None:
        self._handlers = dict(handlers)
        self._replies: dict[str, Message] = {}
        self._numbers = count(1)
        self._run = Run.create_empty(1)
        # Flower's Message reads the sender from here; in a deployment its ServerApp process sets it.
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, _SUPERLINK, 1

    def set_run(self, run: Run) -> None:
        """The run to report from `run`."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run this grid reports; an empty one unless set."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message to `dst_node_id`, as Flower's own grids make it."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """The ids of all nodes, in the order given at construction."""
        return list(self._handlers)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Handle each message now; ids to pull the replies with, in the same order."""
        return [self._handle(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """The replies to `message_ids` that were not pulled before."""
        return [self._replies.pop(number) for number in message_ids if number in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """The replies to `messages`; none is ever late here, so `timeout` is without effect."""
        return self.pull_messages(self.push_messages(messages))

    def _handle(self, message: Message) -> str:
        number = f"in-process-{next(self._numbers)}"
        message.metadata.__dict__["_message_id"] = number
        self._replies[number] = self._answer(message)
        return number

    def _answer(self, message: Message) -> Message:
        handler = self._handlers.get(message.metadata.dst_node_id)
        if handler is None:
            return Message(Error(ErrorCode.NODE_UNAVAILABLE, "no such node"), reply_to=message)
        envelope = wire.content(message)
        if envelope is None:
            return Message(wire.record(b"", code=wire.MALFORMED), reply_to=message)
        try:
            return Message(wire.record(handler(envelope)), reply_to=message)
        except Exception:
            _log.exception("node %d failed", message.metadata.dst_node_id)
            return Message(wire.record(b"", code=wire.UNAVAILABLE), reply_to=message)
