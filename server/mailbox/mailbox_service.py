"""The mailbox' gRPC face, for members, on the coordinator's member port. Thin: who calls, and what is asked.

The regulator reaches it through `server.mailbox.door`, on the log's port.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from federation.errors import Refused
from federation.runtime import rpc
from federation.runtime.rate_limit import RateLimit
from federation.runtime.slots import Slots
from protocols.notices import REGULATOR
from protocols.signing import VerifyingKey
from protocols.wire import mailbox_pb2 as wire
from server.callers import Callers
from server.home import CoordinatorHome
from server.mailbox.door import Door
from server.mailbox.mailbox import Mailbox
from server.membership_store import MembershipStore

_SLOTS = (8, 2)  # in all, and of one member
WORKERS = _SLOTS[0]
_LIMIT = {"burst": 200, "per_second": 20.0}
_FRESH_S = 1.0


class MailboxService:
    """`callers` says who calls."""

    def __init__(self, mailbox: Mailbox, callers: Callers) -> None:
        self._mailbox, self._callers, self._slots = mailbox, callers, Slots(*_SLOTS)

    def Publish(self, request: wire.PublishRequest, context: grpc.ServicerContext) -> wire.PublishReply:  # noqa: N802
        with self._caller(context) as caller:
            self._mailbox.publish(caller, request.key)
            return wire.PublishReply()

    def Keys(self, _request: wire.KeysRequest, context: grpc.ServicerContext) -> wire.KeysReply:  # noqa: N802
        with self._caller(context):
            return wire.KeysReply(keys=self._mailbox.keys())

    def Put(self, request: wire.PutRequest, context: grpc.ServicerContext) -> wire.PutReply:  # noqa: N802
        with self._caller(context) as caller:
            self._mailbox.put(caller, [(letter.recipient, letter.sealed) for letter in request.letters])
            return wire.PutReply()

    def Take(self, _request: wire.TakeRequest, context: grpc.ServicerContext) -> wire.TakeReply:  # noqa: N802
        with self._caller(context) as caller:
            waiting = self._mailbox.take(caller)
            return wire.TakeReply(letters=[wire.Incoming(sender=sender, sealed=sealed) for sender, sealed in waiting])

    def Acknowledge(  # noqa: N802
        self, request: wire.AcknowledgeRequest, context: grpc.ServicerContext
    ) -> wire.AcknowledgeReply:
        with self._caller(context) as caller:
            self._mailbox.acknowledge(caller, [(letter.name, letter.receipt) for letter in request.letters])
            return wire.AcknowledgeReply()

    def Receipts(self, request: wire.ReceiptsRequest, context: grpc.ServicerContext) -> wire.ReceiptsReply:  # noqa: N802
        with self._caller(context) as caller:
            found = self._mailbox.receipts(caller, list(request.names))
            return wire.ReceiptsReply(
                letters=[wire.Acknowledged(name=name, receipt=receipt) for name, receipt in found]
            )

    @contextmanager
    def _caller(self, context: grpc.ServicerContext) -> Iterator[str]:
        name = self._callers.member(context).institution
        with self._slots.take(name):
            yield name


@dataclass(frozen=True)
class HostedMailbox:
    """The services to serve, how many workers they need, and the regulator's door."""

    handlers: tuple[grpc.GenericRpcHandler, ...]
    workers: int
    door: Door


@contextmanager
def hosted_mailbox(home: CoordinatorHome, members: MembershipStore) -> Iterator[HostedMailbox]:
    """A mailbox in the coordinator's database, until the block ends."""
    regulator = home.settings.regulator
    key = None if regulator is None else VerifyingKey.from_hex(regulator.key)

    def admitted(name: str) -> VerifyingKey:
        if name != REGULATOR:
            return members.member(name).key
        if key is None:
            raise Refused("unknown", "regulator", got="none", expected="one that coordinator.toml names")
        return key

    mailbox = Mailbox.open(home.database_url, admitted, time.time)
    callers = Callers(members, limit=RateLimit(**_LIMIT), fresh=_FRESH_S)  # type: ignore[arg-type]
    service = rpc.handlers(wire.DESCRIPTOR.services_by_name["Mailbox"], MailboxService(mailbox, callers))
    try:
        yield HostedMailbox((service,), WORKERS, Door(mailbox, admitted, time.time))
    finally:
        mailbox.close()
