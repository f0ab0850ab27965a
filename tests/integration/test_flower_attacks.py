"""Who reaches the coordinator's ports, or ships a bundle of its own, gets nothing; without the guard, everything."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from flower_deployment import Deployment, bundle_with, make_coordinator, until

import server.superlink as coordinator_plane
from clients.institution.home import InstitutionHome
from federation.runtime.flower.control import Control, ControlError, RunState
from federation.runtime.flower.launch import environment
from federation.runtime.node_keys import flower_public_pem, new_flower_key
from federation.runtime.ports import free_ports, listens
from federation.runtime.processes import Child, Supervisor
from server.home import CoordinatorHome

pytestmark = pytest.mark.integration

# What an attacker runs: Flower's own clients, no secret of the coordinator's. Prints what it achieved.
ATTACKER = """
import sys
import httpx
from flwr.common.serde import fab_to_proto
from flwr.proto import control_pb2, fleet_pb2, runtime_pb2
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from pathlib import Path

port, ca, bundle, key, token = sys.argv[1:6]

class Bearer:
    def intercept(self, context, call_next):
        if token:
            context.request.headers["authorization"] = "Bearer " + token
        return call_next(context)

control = ControlHttpClient.from_server_address(f"127.0.0.1:{port}", False, ca, [Bearer()])
runtime = RuntimeHttpClient.from_server_address(
    f"127.0.0.1:{port}", False, ca, [RuntimeVersionHttpInterceptor(component_name="SuperExec")])
content = Path(bundle).read_bytes()
number = 0

def submit():
    global number
    number = control.StartRun(control_pb2.StartRunRequest(fab=fab_to_proto(Fab("", content, {})))).run_id

for name, attempt in {
    "submit": submit,
    "list": lambda: control.ListRuns(control_pb2.ListRunsRequest()),
    "take": lambda: runtime.AcquireTask(runtime_pb2.AcquireTaskRequest(supported_task_types=["flwr-serverapp"])),
    "stop": lambda: control.StopRun(control_pb2.StopRunRequest(run_id=number)),
    "register": lambda: control.RegisterNode(control_pb2.RegisterNodeRequest(public_key=Path(key).read_bytes())),
}.items():
    try:
        attempt()
        print(name)
    except httpx.HTTPStatusError:
        pass
"""
ALL = {"submit", "list", "take", "stop", "register"}


def attack(home: CoordinatorHome, port: int, folder: Path, token: str = "") -> set[str]:
    """What the attacker achieved at `port`."""
    bundle, key = folder / "bundle.fab", folder / "node.pem"
    bundle.write_bytes(coordinator_plane.shipped_bundle().content)
    key.write_bytes(flower_public_pem(new_flower_key()[1]))
    arguments = [str(port), str(home.keys / "ca.crt"), str(bundle), str(key), token]
    result = subprocess.run(
        [sys.executable, "-c", ATTACKER, *arguments],
        env={**environment(folder / "attacker"), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(result.stdout.split())


# Without the executor: a run that is submitted stays pending.
SUPERLINK_ALONE = """
import sys
from federation.runtime.flower import superlink
from federation.runtime.flower.launch import CoordinatorLaunch
superlink.serve(CoordinatorLaunch.model_validate_json(sys.argv[1]).superlink)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CoordinatorHome]:
    coordinator = make_coordinator(tmp_path_factory.mktemp("attacked") / "coordinator")
    [child] = coordinator_plane.children(coordinator)
    alone = (sys.executable, "-c", SUPERLINK_ALONE, child.command[-1])
    with Supervisor([replace(child, command=alone)]):
        yield coordinator


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_the_public_port_gives_nothing(home: CoordinatorHome, tmp_path: Path, token: str) -> None:
    assert attack(home, home.settings.fleet_port, tmp_path, token) == set()


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_the_operators_port_gives_nothing_without_the_token(home: CoordinatorHome, tmp_path: Path, token: str) -> None:
    assert attack(home, home.settings.control_port, tmp_path, token) == set()


def test_the_token_is_worth_nothing_at_the_public_port(home: CoordinatorHome, tmp_path: Path) -> None:
    assert attack(home, home.settings.fleet_port, tmp_path, home.operator_token) == set()


def test_with_the_token_an_operator_operates_but_cannot_take_a_task(home: CoordinatorHome, tmp_path: Path) -> None:
    assert attack(home, home.settings.control_port, tmp_path, home.operator_token) == ALL - {"take"}


def test_without_the_guard_all_of_it_succeeds(tmp_path: Path) -> None:
    coordinator = make_coordinator(tmp_path / "coordinator")
    port = free_ports(1)
    keys = coordinator.keys
    stock = Child(
        "stock-superlink",
        (
            *(str(Path(sys.executable).with_name("flower-superlink")), "--host", "127.0.0.1", "--port", str(port)),
            *("--ssl-ca-certfile", str(keys / "ca.crt"), "--ssl-certfile", str(keys / "tls.crt")),
            *("--ssl-keyfile", str(keys / "tls.key"), "--enable-supernode-auth", "--isolation", "process"),
        ),
        tmp_path / "stock.log",
        environment(tmp_path / "flower"),
        ready=lambda: listens("127.0.0.1", port),
    )
    with Supervisor([stock]):
        assert attack(coordinator, port, tmp_path) == ALL


MIB = 2**20


def stranger(address: str, *, path: str, promised: int, sent: int) -> socket.socket:
    """A connection without credentials that announces a body and sends a part of it, as far as it is let."""
    host, _, port = address.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = context.wrap_socket(socket.create_connection((host, int(port)), timeout=60.0))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/protobuf\r\nContent-Length: {promised}\r\n\r\n"
    )
    with suppress(OSError):
        line.sendall(head.encode())
        for _ in range(sent // MIB):
            line.sendall(bytes(MIB))
    return line


def test_strangers_fill_neither_the_memory_nor_the_door(tmp_path: Path) -> None:
    with Deployment.create(tmp_path, ("alpha",)) as deployment:
        until(lambda: deployment.online() == 1, 150, "alpha is connected")
        process = psutil.Process(deployment.server("superlink"))
        address, before = deployment.coordinator.fleet_address, process.memory_info().rss
        lines = [stranger(address, path="/v1/fleet/push-object", promised=60 * MIB, sent=16 * MIB) for _ in range(10)]
        assert process.memory_info().rss - before < 50 * MIB
        # Those that say nothing give way to those that come, in the end to nobody.
        lines += [stranger(address, path="", promised=0, sent=0) for _ in range(100)]
        bundle = bundle_with(tmp_path, COLLECTING_SERVER.replace("ENVELOPE", "b'x' * 1_000_000"))
        deployment.institutions[0].accept_bundle(bundle.hash)
        with coordinator_plane.control(deployment.coordinator) as control:
            number = control.submit(bundle, {"run": "honest"})
            until(lambda: finished(control, number), 150, "the honest run ended")
        assert (deployment.coordinator.path / "outcome.txt").read_bytes() == b"X" * 1_000_000
        assert process.memory_info().rss - before < 50 * MIB
        for line in lines:
            line.close()


HOSTILE_CLIENT = """
from pathlib import Path
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
Path({marker!r}).touch()
app = ClientApp()
@app.query()
def take(message: Message, context: Context) -> Message:
    return Message(message.content, reply_to=message)
"""
COLLECTING_SERVER = """
import os, time
from pathlib import Path
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from federation.runtime.flower import message as wire
app = ServerApp()
@app.main()
def main(grid: Grid, context: Context) -> None:
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(0.1)
    [reply] = grid.send_and_receive([wire.request(nodes[0], ENVELOPE, ttl=120.0)], timeout=120.0)
    outcome = wire.content(reply) or wire.refusal(reply).encode()
    text = str(reply.error.reason) if reply.has_error() else str(reply.content)
    home = Path(os.environ["FEDSCORE_COORDINATOR_HOME"])
    (home / "outcome.txt").write_bytes(outcome)
    (home / "text.txt").write_text(text)
"""


def finished(control: Control, number: int) -> bool:
    return control.status(number).final


def refusals(home: InstitutionHome) -> list[str]:
    from federation.ledger import Ledger

    ledger = Ledger.open(home.database_url, institution=home.name, key=home.signing_key, caps=home.caps())
    ledger.verify()
    return [entry.entry.refusal.got for entry in ledger.entries() if entry.entry.refusal]


def test_a_bundle_that_is_not_allowed_runs_no_line_and_is_recorded(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    server_app = COLLECTING_SERVER.replace("ENVELOPE", "b'give me the records'")
    hostile = bundle_with(tmp_path / "hostile", server_app, HOSTILE_CLIENT.format(marker=str(marker)))
    polite = bundle_with(tmp_path / "polite", COLLECTING_SERVER.replace("ENVELOPE", "b'fail, please'"))
    with Deployment.create(tmp_path, ("alpha",)) as deployment:
        coordinator, [alpha] = deployment.coordinator, deployment.institutions
        ledgerless = refusals(alpha)
        with coordinator_plane.control(coordinator) as control:
            number = control.submit(hostile, {"run": "hostile"})
            until(lambda: finished(control, number), 150, "the hostile run ended")
            assert (coordinator.path / "outcome.txt").read_text() == "flower-7"  # INVALID_FAB
            assert not marker.exists()
            assert refusals(alpha) == [*ledgerless, hostile.hash]

            # The same with the list not in its way: the bundle runs. And a node's exception says nothing of itself.
            alpha.accept_bundle(hostile.hash)
            alpha.accept_bundle(polite.hash)
            number = control.submit(hostile, {"run": "hostile"})
            until(lambda: finished(control, number), 150, "the allowed run ended")
            assert marker.exists()
            number = control.submit(polite, {"run": "polite"})
            until(lambda: finished(control, number), 150, "the polite run ended")
            assert control.status(number) is RunState.COMPLETED
            assert (coordinator.path / "outcome.txt").read_text() == "unavailable"
            assert "4711" not in (coordinator.path / "text.txt").read_text()
            assert refusals(alpha) == [*ledgerless, hostile.hash]


def test_control_maps_what_goes_wrong(home: CoordinatorHome, tmp_path: Path) -> None:
    with coordinator_plane.control(home) as control:
        public = flower_public_pem(new_flower_key()[1])
        node_id = control.register(public, "bank-a")
        assert control.register(public, "bank-a") == node_id
        assert control.nodes()[public] == node_id
        assert node_id not in control.online()
        control.unregister(node_id)
        assert public not in control.nodes()
        with pytest.raises(ControlError, match="control: got "):
            control.register(public, "bank-a")
        with pytest.raises(ControlError, match="run_id_not_found"):
            control.status(1)
        number = control.submit(coordinator_plane.shipped_bundle(), {"run": "r"})
        assert number in control.unfinished()
        assert control.status(number) is RunState.PENDING
        control.stop(number)
        control.stop(number)
        assert control.status(number) is RunState.STOPPED
    with (
        Control.open(free_ports(1), home.authority_pem, home.operator_token, timeout=2.0) as control,
        pytest.raises(ControlError, match="no answer") as caught,
    ):
        control.nodes()
    assert caught.value.away
