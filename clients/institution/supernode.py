"""An institution's end of the training plane: its SuperNode and the executor of the thin app.

    with Supervisor([*node, *children(home)]) as supervisor:
        supervisor.run()

The SuperNode connects outwards only; its own interface and the executor meet on loopback. What it may run is in the
home's list of allowed bundles, read anew for every run; another bundle is refused, and that is recorded in the ledger.
"""

from __future__ import annotations

import sys

from clients.institution.home import InstitutionHome
from federation.errors import FederationError
from federation.runtime.flower.launch import (
    LOOPBACK,
    ExecutorLaunch,
    SuperNodeLaunch,
    command,
    environment,
    listens,
    new_secret,
)
from federation.runtime.logging import configure_process, get_logger
from federation.runtime.private_files import keep_private
from federation.runtime.processes import Child
from federation.runtime.rpc import free_ports

REFUSED = "bundle_not_allowed"
_log = get_logger("supernode")


def children(home: InstitutionHome) -> tuple[Child, Child]:
    """The SuperNode and its executor. Raises ConfigurationError before enrolment."""
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
        app="client", runtime=f"{LOOPBACK}:{port}", authority=None, executor_secret=launch.executor_secret
    )
    folder = environment(home.path / "flower")
    return (
        Child(
            "supernode",
            (sys.executable, "-m", "clients.institution.supernode", str(home.path), launch.model_dump_json()),
            home.logs / "supernode.log",
            folder,
            ready=lambda: listens(LOOPBACK, port),
        ),
        Child(
            "thin-app",
            command("federation.runtime.flower.executor", executor.model_copy(update={"poll": 0.1})),
            home.logs / "thin-app.log",
            folder,
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
    """The SuperNode process' entry: the home and the launch as JSON."""
    from federation.runtime.flower import supernode  # with all of Flower, which the supervisor can do without

    configure_process(keep=("flwr",))
    home = InstitutionHome.open(sys.argv[1])
    supernode.serve(
        SuperNodeLaunch.model_validate_json(sys.argv[2]),
        allowed=lambda: home.allowed_bundles,
        on_refused=lambda bundle_hash: record_refusal(home, bundle_hash),
    )


if __name__ == "__main__":
    main()
