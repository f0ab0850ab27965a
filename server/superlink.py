"""The coordinator's end of the training plane: a guarded SuperLink and the executor of its round drivers.

with Supervisor(children(home)) as supervisor:      # or serve(home)
    supervisor.run()
with control(home) as hand:
    hand.register(public_key_pem, "bank-a")
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

from federation.errors import ConfigurationError
from federation.runtime.flower.bundle import Bundle, build
from federation.runtime.flower.launch import (
    LOOPBACK,
    CoordinatorLaunch,
    ExecutorLaunch,
    SuperLinkLaunch,
    command,
    environment,
    new_secret,
)
from federation.runtime.pki import load_certificate
from federation.runtime.ports import answers
from federation.runtime.private_files import keep_private
from federation.runtime.processes import Child, Event, Supervisor
from server.home import CoordinatorHome

if TYPE_CHECKING:
    from federation.runtime.flower.control import Control

GRACE_S = 4.0
START_S = 20.0
BUNDLE = Path(__file__).with_name("bundle")


def children(home: CoordinatorHome) -> tuple[Child]:
    """The SuperLink, on its own database, and the executor that starts round drivers in this home: one child.

    Raises ConfigurationError unless the coordinator's certificate is also good for 127.0.0.1, where its own parts meet.
    """
    port = home.settings.control_port
    _require_loopback(home.keys / "tls.crt")
    superlink = SuperLinkLaunch(
        bind=home.bind,
        port=home.settings.fleet_port,
        operator_port=port,
        database=home.superlink_database,
        certificate=home.keys / "tls.crt",
        key=home.keys / "tls.key",
        authority=home.keys / "ca.crt",
        operator_token=home.keys / "operator.token",
        executor_secret=keep_private(home.keys / "executor.secret", new_secret),
    )
    executor = ExecutorLaunch(
        app="server",
        runtime=f"{LOOPBACK}:{port}",
        authority=superlink.authority,
        executor_secret=superlink.executor_secret,
        preload=("server.round_driver",),
        log=home.logs / "round-driver.log",
    )
    return (
        Child(
            "superlink",
            command("federation.runtime.flower.superlink", CoordinatorLaunch(superlink=superlink, executor=executor)),
            home.logs / "superlink.log",
            {**environment(home.path / "flower"), "FEDSCORE_COORDINATOR_HOME": str(home.path)},
            ready=lambda: serves(home),
            grace=GRACE_S,
        ),
    )


def serve(home: CoordinatorHome, *, on_event: Callable[[str, Event], None] = lambda name, event: None) -> None:
    """Serve until SIGINT or SIGTERM; whatever dies is started again."""
    with Supervisor(children(home), on_event=on_event) as supervisor:
        supervisor.run()


def serves(home: CoordinatorHome) -> bool:
    """Whether this home's SuperLink answers."""
    return answers(LOOPBACK, home.settings.control_port, home.authority_pem)


def await_served(home: CoordinatorHome, *, patience: float = START_S) -> bool:
    """Wait until this home's SuperLink answers, at most `patience` seconds; False if it does not."""
    deadline = time.monotonic() + patience
    while not (served := serves(home)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return served


def control(home: CoordinatorHome) -> Control:
    """The operator's hand on this home's SuperLink."""
    from federation.runtime.flower.control import Control  # with Flower, which the supervisor can do without

    return Control.open(home.settings.control_port, home.authority_pem, home.operator_token)


def shipped_bundle() -> Bundle:
    """The bundle of this release: what plans name and institutions allow."""
    return build(BUNDLE)


def _require_loopback(certificate: Path) -> None:
    names = load_certificate(certificate.read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    addresses = {str(address) for address in names.value.get_values_for_type(x509.IPAddress)}
    if LOOPBACK not in addresses:
        raise ConfigurationError(str(certificate), got=f"addresses {sorted(addresses)}", expected=f"{LOOPBACK} too")
