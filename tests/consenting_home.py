"""An institution's home under an approved roster that names an authority, and a coordinator that only counts bytes.

with listening() as coordinator:
    home = consenting_home(tmp_path, coordinator, persons.authorities)
    coordinator.connections, coordinator.received          # all that left the node towards it
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from membership_world import make_institution, pinned
from wallets import PURPOSE

from clients.institution.home import InstitutionHome
from clients.institution.lookup.folders import LookupFolders
from federation.runtime.pki import Authority, signing_request
from federation.runtime.private_files import read_private
from protocols.lookup.parameters import Parameters
from protocols.lookup.proposal import roster_fingerprint
from protocols.signing import SigningKey

COORDINATOR = SigningKey.from_seed(bytes(range(32)))


@dataclass
class Listener:
    """A socket on loopback: who connects, and every byte that comes. It never answers."""

    door: socket.socket
    connections: int = 0
    received: bytes = b""
    _held: list[socket.socket] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"localhost:{self.door.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                caller, _ = self.door.accept()
                self.connections += 1
                caller.settimeout(0.5)
                with caller, suppress(OSError):
                    self.received += caller.recv(65_536)


@contextmanager
def listening() -> Iterator[Listener]:
    door = socket.create_server(("127.0.0.1", 0))
    heard = Listener(door)
    thread = threading.Thread(target=heard.serve, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        door.shutdown(socket.SHUT_RDWR)
        door.close()
        thread.join(5)


def consenting_home(
    folder: Path, listener: Listener, authorities: Mapping[str, str], name: str = "bank-a"
) -> InstitutionHome:
    """Admitted, with a certificate, and with a roster approved as a person approves it."""
    home = make_institution(folder / name, name)
    identity = pinned(COORDINATOR).model_copy(update={"member_address": listener.address})
    home.save_coordinator(identity)
    now = datetime.now(UTC)
    authority = Authority.create("coordinator", now)
    request = signing_request(read_private(home.keys / "tls.key"), name)
    home.save_certificate(authority.sign_member(request, name, now), authority.certificate_pem)
    proposal = {
        "members": {
            each: {"key": SigningKey.generate().public.hex, "customers": 10} for each in (name, "bank-b", "bank-c")
        },
        "parameters": Parameters(engine="mirror", purposes=(PURPOSE, "credit-review")).to_json(),
        "coordinator_key": COORDINATOR.public.hex,
        "log_key": COORDINATOR.public.hex,
        "pool_key": COORDINATOR.public.hex,
        "oversight": "",
        "authorities": dict(authorities),
    }
    LookupFolders(home).approval.approve(proposal, roster_fingerprint(proposal), time.time())
    return home
