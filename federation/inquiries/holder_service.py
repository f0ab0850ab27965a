"""A holder of the oversight key, asked by persons: its step, and its decryption, for who asks about herself.

with serving(home) as port: ...                  # until the block ends

Before any arithmetic it knows who asks: the request is signed by the key that an identity authority states for her. It
hears of no other holder but through its proofs, keeps what one question needs, and says nothing to anybody else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc

from federation.errors import Refused
from federation.inquiries.holder_home import HolderHome
from federation.inquiries.session_store import SessionStore
from federation.observability import metrics
from federation.observability.grpc_health import health_handler
from federation.observability.monitor import Monitor, monitored
from federation.observability.names import Process
from federation.runtime import rpc
from federation.runtime.logging import get_logger
from federation.runtime.rate_limit import RateLimit, origin
from protocols.consent.holders import OversightKey
from protocols.consent.identity import SignedIdentity
from protocols.consent.question import TagQuestion, read_tags
from protocols.consent.tag_lookup import Holder, Step
from protocols.consent.tag_request import SignedTagRequest
from protocols.lookup.roster import Authority
from protocols.oprf.group import Random
from protocols.oprf.joint_key import KeyShare
from protocols.wire import inquiries_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Holder"]
MAX_BYTES = 2**20  # the largest question with the steps of two holders has 430 KB
_WORKERS = 4
_RESTART_BEFORE = timedelta(days=7)
_log = get_logger("holder")


@dataclass(frozen=True)
class HolderDesk:
    """Both calls. Errors are typed: Refused, ConsentRefused, MessageError, ProofError, StageError."""

    name: str
    share: KeyShare
    key: OversightKey
    authorities: tuple[Authority, ...]
    sessions: SessionStore
    limit: RateLimit
    clock: Callable[[], float] = time.time
    random: Random = os.urandom

    def Blind(self, message: wire.BlindRequest, context: grpc.ServicerContext) -> wire.BlindReply:  # noqa: N802
        question, steps = self._read(message.question, message.steps, context)
        session, count = question.request.session, len(question.tags)
        self.sessions.begin(session, question.request.subject_key.key_id, count, int(self.clock()))
        question.check_tags()
        holder = Holder(question.test(self.key), self.name, self.share)
        step = holder.blind(steps, self.random)
        self.sessions.stepped(session, holder.kept)
        _log.info("step made", count=count)
        return wire.BlindReply(step=step.encode())

    def Decrypt(self, message: wire.DecryptRequest, context: grpc.ServicerContext) -> wire.DecryptReply:  # noqa: N802
        question, steps = self._read(message.question, message.steps, context)
        question.check_order(self.name, message.steps, message.order)
        kept = self.sessions.finish(question.request.session)
        holder = Holder(question.test(self.key), self.name, self.share, kept=kept)
        decryption = holder.decrypt(steps, self.random)
        _log.info("decryption made", count=len(question.tags))
        return wire.DecryptReply(decryption=decryption.encode())

    def _read(
        self, message: wire.Question, steps: Iterable[bytes], context: grpc.ServicerContext
    ) -> tuple[TagQuestion, list[Step]]:
        if not self.limit.allows(origin(context.peer()), time.monotonic()):
            raise Refused("rate", "calls", got="too many", expected="fewer in a second")
        question = TagQuestion(
            SignedTagRequest.decode(message.request),
            SignedIdentity.decode(message.identity),
            message.salt,
            read_tags(message.tags),
        )
        question.check_asker(self.authorities, int(self.clock()))
        return question, [Step.decode(data) for data in steps]


@contextmanager
def serving(home: HolderHome, *, clock: Callable[[], float] = time.time) -> Iterator[int]:
    """Serve until the block ends; yields the port. Raises ConfigurationError: no joint key yet, an address taken."""
    settings = home.settings
    with (
        closing(SessionStore.open(home.database_url, settings.daily_tags)) as sessions,
        monitored(Process.HOLDER, home.path, home.name, settings.metrics) as monitor,
    ):
        limit = RateLimit(burst=64, per_second=16.0)
        desk = HolderDesk(home.name, home.share, home.oversight, home.authorities, sessions, limit, clock)
        address = rpc_address(settings.bind, settings.port)
        credentials = home.server_credentials()
        _observe(monitor, home.certificate_ends, lambda: sessions.today(int(clock())))
        services = [
            rpc.handlers(SERVICE, desk),
            health_handler(lambda: monitor.health().ready, [SERVICE.full_name]),
        ]
        with rpc.serve(services, address, credentials=credentials, workers=_WORKERS, max_bytes=MAX_BYTES) as served:
            yield served.port


def _observe(monitor: Monitor, ends: datetime, today: Callable[[], tuple[int, int]]) -> None:
    """`ends`: the certificate that is served; `today`: questions and tags within a day. Nothing of who asked."""

    def certificate() -> str | None:
        return "the certificate ends soon, restart" if datetime.now(UTC) > ends - _RESTART_BEFORE else None

    def sessions() -> str | None:
        today()  # what it raises is why this holder cannot answer
        return None

    def read_sessions() -> None:
        questions, tags = today()
        metrics.put("fedscore_holder_questions", float(questions))
        metrics.put("fedscore_holder_tags", float(tags))

    monitor.part("certificate", certificate)
    monitor.part("sessions", sessions)
    monitor.read("sessions", read_sessions)
    monitor.read("certificate", lambda: metrics.put("fedscore_certificate_expires_timestamp_seconds", ends.timestamp()))


def rpc_address(host: str, port: int) -> str:
    """host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
