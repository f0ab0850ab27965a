"""`fedscore institution serve`: the node, the SuperNode and the thin app under one supervisor."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from clients.institution.enrolment_client import Member
from clients.institution.home import InstitutionHome
from clients.institution.supernode import children as supernode_children
from federation.observability.children import observe_children, started
from federation.observability.monitor import monitored
from federation.observability.names import Process
from federation.runtime.processes import Child, Event, Supervisor, python_module
from federation.runtime.rpc import Unreachable

NODE_GRACE_S = 32.0  # the node finishes a round that is under way: its budget is spent


def serve(home: InstitutionHome, *, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `say` hears what starts, is ready and dies. Main thread only.

    The member certificate is renewed first, where a third of its time or less is left and the coordinator answers.
    Raises ConfigurationError before enrolment, ProcessError once a part has found itself unusable often enough: by then
    a person at the terminal was told why.
    """
    processes = children(home)
    with suppress(Unreachable):
        if Member(home, lambda: datetime.now(UTC)).renew_if_due():
            say(f"{home.name}: renewed its certificate")

    explained = False

    def tell(name: str, event: Event) -> None:
        nonlocal explained
        started(name, event)
        say(f"{name} {event}")
        if event == "unusable" and not explained:
            explained = True
            say(f"  why: see {home.logs / 'node.jsonl'}, or as follows")
            explain(home)

    with monitored(Process.SUPERVISOR, home.path, home.name, home.settings.metrics) as monitor:
        supervisor = Supervisor(processes, on_event=tell)
        observe_children(monitor, processes, supervisor)  # before they are there: until then it is not ready
        _supervise(home, supervisor, say)


def _supervise(home: InstitutionHome, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    with supervisor:
        if supervisor.stopping:
            return
        say(f"{home.name}: serving for {home.coordinator().name}")
        for line in bundle_warning(home):
            say(line)
        supervisor.run()


def explain(home: InstitutionHome) -> None:
    """Look at what the node was given in a process of its own, which says what is wrong to the terminal, if it is one.

    This process never holds a record, and no log gets the text: it may quote the file.
    """
    subprocess.run(python_module("clients.institution.explaining", str(home.path)), check=False)


def bundle_warning(home: InstitutionHome) -> tuple[str, ...]:
    """What to say where no bundle is allowed: everything runs and looks healthy, and every run is refused."""
    if home.allowed_bundles:
        return ()
    return (
        f"WARNING: {home.name} allows no Flower bundle yet: every training run will be refused (bundle_not_allowed)",
        f"  allow one, no restart needed: fedscore institution accept-bundle HASH --home {home.path}",
        "  `fedscore institution enrol`, run again, shows the HASH that the coordinator announces",
    )


def children(home: InstitutionHome) -> tuple[Child, ...]:
    """The node first: the SuperNode only forwards to it. Raises ConfigurationError before enrolment."""
    home.coordinator()
    node = Child(
        "node",
        python_module("clients.institution.node_service", str(home.path)),
        home.logs / "node.log",
        {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        ready=lambda: answers(home.socket),
        grace=NODE_GRACE_S,
    )
    return (node, *supernode_children(home))


def answers(path: Path) -> bool:
    """Whether somebody listens on the Unix socket `path`; a file that a killed process left does not count."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
