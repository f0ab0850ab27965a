"""The process that answers lenders: `fedscore institution blind serve`, until it is told to stop.

    with serving(folder) as served: ...

Several processes may serve one folder: what is left is counted in the folder's database.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from clients.institution.blind.folder import BlindFolder
from clients.institution.blind.lenders import Callers
from clients.institution.blind.service import BlindService
from federation.observability import metrics
from federation.observability.grpc_health import health_handler
from federation.observability.monitor import Monitor, monitored
from federation.observability.names import Process
from federation.runtime import rpc
from federation.runtime.pki import load_certificate
from federation.runtime.private_files import read_private
from federation.runtime.rate_limit import RateLimit
from federation.runtime.slots import Slots
from protocols.blind import BlindScorer, Quota
from protocols.blind.quota import check_parts
from protocols.wire import blind_pb2 as wire

SERVICE = wire.DESCRIPTOR.services_by_name["Blind"]
BURST = 20
_SPARE_WORKERS = 4  # a refusal needs a thread too
_RESTART_BEFORE = timedelta(days=7)


@contextmanager
def serving(folder: BlindFolder) -> Iterator[rpc.Served]:
    """Raises ConfigurationError or MessageError for a folder that cannot be served, a port that is taken; QuotaError
    for weights about which answers were given in other parts.
    """
    settings, home, file = folder.settings, folder.home, folder.model_file()
    blind, quota, offer = folder.offer(file, file.load_catalogue())
    authority = folder.authority()
    chain = folder.server_chain(authority, datetime.now(UTC))
    with (
        closing(folder.count()) as count,
        monitored(Process.BLIND, home.path, home.name, settings.metrics) as monitor,
    ):
        check_parts(count.parts_of(blind.counted_as()), blind.divided_as())
        scorer = BlindScorer(blind, quota, count, secrets.token_bytes)
        service = BlindService(
            offer,
            scorer,
            quota,
            count,
            Callers(count, RateLimit(BURST, settings.calls_per_second)),
            Slots(settings.at_once, settings.at_once_each),
            authority,
            lambda: datetime.now(UTC),
        )
        _observe(monitor, chain, lambda: quota.lifetime - count.spent(scorer.counted_as, "").model, quota)
        services = [
            rpc.handlers(SERVICE, service),
            health_handler(lambda: monitor.health().ready, [SERVICE.full_name]),
        ]
        credentials = rpc.server_tls(
            read_private(folder.path / "tls.key"), chain, client_authority=authority.certificate_pem
        )
        with rpc.serve(
            services,
            settings.address,
            credentials=credentials,
            workers=settings.at_once + _SPARE_WORKERS,
            max_bytes=service.max_bytes,
            max_reply=service.max_reply,
        ) as served:
            yield served


def _observe(monitor: Monitor, chain: bytes, left: Callable[[], int], quota: Quota) -> None:
    ends = load_certificate(chain).not_valid_after_utc

    def certificate() -> str | None:
        return "the certificate ends soon, restart" if datetime.now(UTC) > ends - _RESTART_BEFORE else None

    def read_quota() -> None:
        metrics.put("fedscore_blind_lifetime", float(quota.lifetime))
        metrics.put("fedscore_blind_left", float(max(0, left())))

    monitor.part("certificate", certificate)
    monitor.part("count", lambda: None if left() >= 0 else "more is answered than the quota allows")
    monitor.read("quota", read_quota)
    monitor.read("certificate", lambda: metrics.put("fedscore_certificate_expires_timestamp_seconds", ends.timestamp()))
