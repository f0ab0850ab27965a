"""The membership process, a child of `fedscore coordinator serve`: membership, registrar, log and relay.

python -m server.membership_process HOME
"""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime

from federation.catalogue import load_catalogue
from federation.observability.grpc_health import health_handler
from federation.observability.monitor import monitored
from federation.observability.names import Process
from federation.runtime.logging import configure_process
from federation.runtime.processes import protect_memory
from federation.runtime.stop_signal import until_stopped
from server.figures import observe_membership
from server.home import CoordinatorHome
from server.log import LogHost
from server.log.hosting import hosted_log
from server.lookup.hosting import hosted
from server.mailbox.mailbox_service import hosted_mailbox
from server.membership_service import Desk, serve_membership
from server.membership_store import MembershipStore
from server.oversight.recorder import Recorder
from server.registrar import Registrar
from server.superlink import control, shipped_bundle

TICK_S = 1.0
SERVICES = (
    "fedscore.membership.v1.Membership",
    "fedscore.lookup.v1.Relay",
    "fedscore.log.v1.Log",
    "fedscore.mailbox.v1.Mailbox",
)


def serve(home: CoordinatorHome, stop: threading.Event) -> None:
    """Serve until `stop`. Raises ConfigurationError for a port that is taken."""
    store = MembershipStore.open(home.database_url)
    bundle_hash = shipped_bundle().hash
    desk = Desk(home, store, load_catalogue(home.catalogue), lambda: bundle_hash, lambda: datetime.now(UTC))
    registrar = Registrar(store.admitted, lambda: control(home))
    regulator = home.settings.regulator
    statement = None if regulator is None else regulator.statement()

    def recorder_of(host: LogHost) -> Recorder:
        return Recorder(host.store, host.roster, store.admitted, home.signing_key, statement)

    with (
        monitored(Process.MEMBERSHIP, home.path, home.name, home.settings.metrics) as monitor,
        hosted_mailbox(home, store) as mailbox,
        # Whoever says something must be a member, or the regulator, at that place of the log.
        hosted_log(home, store, mailbox.door, first=lambda host: recorder_of(host).tick()) as log,
        hosted(home, store, log.store) as lookup,
    ):
        recorder = recorder_of(log.host)
        with serve_membership(
            desk,
            beside=(
                *lookup.handlers,
                *log.handlers,
                *mailbox.handlers,
                health_handler(lambda: monitor.health().ready, SERVICES),
            ),
            workers=lookup.workers + log.workers + mailbox.workers,
        ):
            observe_membership(monitor, home, store, log, lookup.relay)
            while not stop.wait(TICK_S):
                recorder.tick()
                registrar.tick(time.monotonic())
    store.close()


def main() -> None:
    """The process' entry: the home in the only argument; ends at SIGTERM or SIGINT."""
    protect_memory()
    stop = until_stopped()
    configure_process()
    home = CoordinatorHome.open(sys.argv[1])
    configure_process(home.logs / "membership.jsonl")
    serve(home, stop)


if __name__ == "__main__":
    main()
