"""Keeps the SuperLink's list of node keys equal to the roster: admitted members in, everybody else out.

    registrar = Registrar(store.admitted, lambda: control(home))
    registrar.tick(now)                                  # once a second, whatever happens

A revoked member's node key is removed for good; Flower never admits a removed key again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from federation.errors import FederationError
from federation.runtime.logging import get_logger
from federation.runtime.node_keys import flower_public_pem
from server.membership import Membership

FULL_CHECK_S = 30.0
_log = get_logger("registrar")


class Nodes(Protocol):
    """The part of the SuperLink's control that a registrar needs."""

    def nodes(self) -> dict[bytes, int]: ...

    def register(self, public_key: bytes, name: str) -> int: ...

    def unregister(self, node_id: int) -> None: ...


@dataclass
class Registrar:
    """`roster` answers the admitted members, `connect` opens the SuperLink's control."""

    roster: Callable[[], tuple[Membership, ...]]
    connect: Callable[[], AbstractContextManager[Nodes]]
    _settled: frozenset[str] = field(default=frozenset(), init=False)
    _due: float = field(default=0.0, init=False)

    def tick(self, now: float) -> bool:
        """Bring the SuperLink in line if the roster changed or 30 s passed; True if it is. An outage raises nothing."""
        members = self.roster()
        wanted = frozenset(member.hash for member in members)
        if wanted == self._settled and now < self._due:
            return True
        try:
            with self.connect() as nodes:
                settle(nodes, members)
        except FederationError as error:
            _log.warning("the superlink is away", code=type(error).__name__)
            return False
        self._settled, self._due = wanted, now + FULL_CHECK_S
        return True


def settle(nodes: Nodes, members: tuple[Membership, ...]) -> None:
    """Register who is missing, remove who does not belong."""
    wanted = {flower_public_pem(member.node_key): member.institution for member in members}
    there = nodes.nodes()
    for key, node_id in there.items():
        if key not in wanted:
            nodes.unregister(node_id)
            _log.info("node removed")
    for key, institution in wanted.items():
        if key not in there:
            nodes.register(key, institution)
            _log.info("node registered", institution=institution)
