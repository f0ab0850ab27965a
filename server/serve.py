"""`fedscore coordinator serve`: the coordinator's processes under one supervisor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from federation.observability.children import observe_children, started
from federation.observability.monitor import monitored
from federation.observability.names import Process
from federation.runtime.flower.launch import LOOPBACK
from federation.runtime.ports import answers, listens
from federation.runtime.processes import Child, Event, Supervisor, python_module
from server.home import CoordinatorHome
from server.lookup.folders import LookupFolders
from server.superlink import children as superlink_children

WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 (recognised here, chosen by the operator)


def serve(home: CoordinatorHome, *, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `say` hears what starts, is ready and dies. Main thread only.

    The server certificate is renewed first, where a third of its time or less is left.
    """
    if home.renew_certificate(datetime.now(UTC)):
        say(f"{home.name}: signed a new server certificate")
    processes = children(home)

    def tell(name: str, event: Event) -> None:
        started(name, event)
        say(f"{name} {event}")

    with monitored(Process.SUPERVISOR, home.path, home.name, home.settings.metrics) as monitor:
        supervisor = Supervisor(processes, on_event=tell)
        observe_children(monitor, processes, supervisor)  # before they are there: until then it is not ready
        with supervisor:
            if not supervisor.stopping:
                say(f"{home.name}: serving; enrolment at {home.enrolment_address}, fleet at {home.fleet_address}")
            supervisor.run()


def children(home: CoordinatorHome) -> tuple[Child, ...]:
    """The SuperLink and its round drivers, the membership process that registers nodes with it, and the pool of private
    queries, while an epoch needs one.
    """
    host, authority = LOOPBACK if home.bind in WILDCARDS else home.bind, home.authority_pem
    membership = Child(
        "membership",
        python_module("server.membership_process", str(home.path)),
        home.logs / "membership.log",
        {"PYTHONUNBUFFERED": "1"},
        ready=lambda: answers(host, home.settings.enrolment_port, authority),
    )
    wanted = LookupFolders(home.path).pool_wanted
    pool = Child(
        "pool",
        python_module("server.lookup.pool_process", str(home.path)),
        home.logs / "pool.log",
        {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        ready=lambda: listens(host, home.settings.pool),
        wanted=wanted.exists,
    )
    return (*superlink_children(home), membership, pool)
