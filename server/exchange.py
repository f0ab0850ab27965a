"""Questions out, answers in, over a Flower Grid. Every answer is matched to its question by the message it replies to.

An error that Flower makes up itself comes from node id 1, whoever failed: only `reply_to_message_id` tells whom it is
about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from federation.runtime.flower.message import content, refusal, request

KEEP_S = 120.0  # how long after its deadline an answer is still looked for, so that a late one is refused by name


class Grid(Protocol):
    """What the driver needs of flwr.serverapp.Grid."""

    def get_node_ids(self) -> Iterable[int]: ...
    def push_messages(self, messages: Iterable[Any]) -> Iterable[str | None]: ...
    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Any]: ...


@dataclass(frozen=True)
class Ask:
    """One question on its way: to which node, about what, until when (Unix time, s)."""

    node_id: int
    subject: object = field(repr=False)
    deadline: float


@dataclass(frozen=True)
class Answer:
    """`data` is the node's envelope, None with a `failure` code where there is none. `late`: past its deadline."""

    ask: Ask
    data: bytes | None = field(repr=False)
    failure: str
    late: bool


class Exchange:
    """Keeps which message is whose; no threads, no sleeping."""

    def __init__(self, grid: Grid, clock: Callable[[], float]) -> None:
        self._grid = grid
        self._clock = clock
        self._pending: dict[str, Ask] = {}

    def nodes(self) -> set[int]:
        """The ids of the Flower nodes that are connected."""
        return set(self._grid.get_node_ids())

    def send(self, envelopes: Mapping[int, bytes], subject: object, deadline: float, group: str) -> None:
        """Ask each node; the message lives as long as the question (Flower drops it after that)."""
        ttl = max(deadline - self._clock(), 0.1)
        messages = [request(node_id, envelope, ttl=ttl, group=group) for node_id, envelope in envelopes.items()]
        if not messages:
            return
        for node_id, message_id in zip(envelopes, self._grid.push_messages(messages), strict=False):
            if message_id:  # None: the SuperLink did not take it; it is asked again
                self._pending[message_id] = Ask(node_id, subject, deadline)

    def receive(self) -> list[Answer]:
        """What has arrived. An answer that is to no question of ours is dropped."""
        if not self._pending:
            return []
        answers = []
        for message in self._grid.pull_messages(list(self._pending)):
            ask = self._pending.pop(message.metadata.reply_to_message_id, None)
            if ask is not None:
                data = content(message)
                failure = "" if data is not None else refusal(message)
                answers.append(Answer(ask, data, failure, self._clock() > ask.deadline))
        self._forget()
        return answers

    def _forget(self) -> None:
        now = self._clock()
        self._pending = {id_: ask for id_, ask in self._pending.items() if now <= ask.deadline + KEEP_S}
