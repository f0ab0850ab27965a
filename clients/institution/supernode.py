"""An institution's end of the training plane: its SuperNode and the executor of the thin app.

    with Supervisor([*node, *children(home)]) as supervisor:
        supervisor.run()

The SuperNode connects outwards only; its own interface and the executor meet on loopback. What it may run is in the
home's list of allowed bundles, read anew for every run; another bundle is refused, and that is recorded in the ledger.
"""

from __future__ import annotations

import sys
from pathlib import Path

from clients.institution.home import InstitutionHome
from federation.errors import FederationError
from federation.runtime.flower.launch import (
    LOOPBACK,
    ExecutorLaunch,
    InstitutionLaunch,
    SuperNodeLaunch,
    command,
    environment,
    new_secret,
)
from federation.runtime.logging import configure_process, get_logger
from federation.runtime.ports import free_ports, listens
from federation.runtime.private_files import keep_private
from federation.runtime.processes import Child

GRACE_S = 4.0
REFUSED = "bundle_not_allowed"
_log = get_logger("supernode")


def children(home: InstitutionHome) -> tuple[Child]:
    """The SuperNode and the executor of thin apps: one child. Raises ConfigurationError before enrolment."""
    port = free_ports()
    launch = SuperNodeLaunch(
        superlink=home.coordinator().fleet_address,
        authority=home.keys / "ca.crt",
        node_key=home.keys / "flower_key",
        node_socket=home.socket,
        port=port,
        executor_secret=keep_private(home.keys / "executor.secret", new_secret),
        state=home.path / "flower_node_id",
    )
    executor = ExecutorLaunch(
        app="client",
        runtime=f"{LOOPBACK}:{port}",
        authority=None,
        executor_secret=launch.executor_secret,
        poll=0.1,
        log=home.logs / "thin-app.log",
    )
    both = InstitutionLaunch(supernode=launch, executor=executor)
    return (
        Child(
            "supernode",
            (*command("clients.institution.supernode", both), str(home.path)),
            home.logs / "supernode.log",
            environment(home.path / "flower"),
            ready=lambda: listens(LOOPBACK, port),
            grace=GRACE_S,
        ),
    )


def record_refusal(home: InstitutionHome, bundle_hash: str) -> None:
    """Write into the ledger that a bundle was refused; nothing ran, nothing is charged. Never raises: it stays refused.

    The node process has the ledger open and may be at work, so what it has reserved is left alone.
    """
    _log.warning("bundle refused", institution=home.name, code=REFUSED, bundle_hash=bundle_hash)
    from federation.ledger import Ledger  # not needed, with all it imports, until something is refused

    try:
        ledger = Ledger.open(
            home.database_url, institution=home.name, key=home.signing_key, caps=home.caps(), recover=False
        )
        try:
            ledger.refuse(REFUSED, "bundle", got=bundle_hash, expected="an allowed bundle", request_hash=bundle_hash)
        finally:
            ledger.close()
    except FederationError as error:
        _log.error("refused bundle could not be recorded", institution=home.name, bundle_hash=bundle_hash, error=error)


def main() -> None:
    """The process' entry: the launch as JSON, and the home.

    The process that is started is the executor, whose forks run what a bundle says; the home and its keys are opened in
    the SuperNode alone.
    """
    from federation.runtime.flower import executor  # with all of Flower, which the supervisor can do without

    configure_process(keep=("flwr",))
    launch, home = InstitutionLaunch.model_validate_json(sys.argv[1]), Path(sys.argv[2])
    executor.serve(launch.executor, beside=lambda: serve(home, launch.supernode))


def serve(path: Path, launch: SuperNodeLaunch) -> None:
    """Be the SuperNode of the home at `path`; never returns."""
    from federation.runtime.flower import supernode

    home = InstitutionHome.open(path)
    supernode.serve(
        launch,
        allowed=lambda: home.allowed_bundles,
        on_refused=lambda bundle_hash: record_refusal(home, bundle_hash),
    )


if __name__ == "__main__":
    main()
