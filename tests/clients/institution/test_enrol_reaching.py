"""`fedscore institution enrol` where nobody is, somebody else is, or a fingerprint is another: what a person reads."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from membership_world import World, make_institution, world
from typer.testing import CliRunner

from clients.institution.cli_enrol import app
from federation.runtime.ports import free_ports

ONES = "11" * 32
PINS = ("fingerprint", "file")


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("federation")) as made:
        yield made


@contextmanager
def speaking_no_tls() -> Iterator[str]:
    """The address of a server that answers everything in plain text."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):
                connection, _peer = server.accept()
                with connection:
                    connection.recv(64)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def enrol(folder: Path, address: str, ca: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and what `--json` says of what stands in the way."""
    arguments = ["enrol", "--home", str(folder), "--coordinator", address, "--ca", ca, "--no-wait", "--json"]
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_institution(tmp_path_factory.mktemp("homes"), "bank-a").path


def pin(kind: str, federation: World) -> str:
    return federation.home.authority_fingerprint if kind == "fingerprint" else str(federation.home.keys / "ca.crt")


@pytest.mark.parametrize("kind", PINS)
def test_nobody_is_there(home: Path, federation: World, kind: str) -> None:
    address = f"127.0.0.1:{free_ports()}"
    code, said = enrol(home, address, pin(kind, federation))
    assert (code, said["error"], said["where"]) == (3, "Unreachable", f"coordinator at {address}")
    assert said["got"] == "nobody listens there"
    assert "`fedscore coordinator status` shows the address" in said["expected"]


@pytest.mark.parametrize("host", ["a..b", "bücher..de", "x" * 70, "no-such-host.invalid"])
@pytest.mark.parametrize("kind", PINS)
def test_no_host_of_this_name(home: Path, federation: World, kind: str, host: str) -> None:
    code, said = enrol(home, f"{host}:9090", pin(kind, federation))
    assert (code, said["error"], said["where"]) == (3, "Unreachable", f"coordinator at {host}:9090")
    assert said["got"] == "no host of this name"


def test_people_read_the_same(home: Path) -> None:
    address = f"127.0.0.1:{free_ports()}"
    result = CliRunner().invoke(app, ["enrol", "--home", str(home), "--coordinator", address, "--ca", ONES])
    assert result.exit_code == 3
    assert f"fedscore: Unreachable: coordinator at {address}: got nobody listens there, expected" in result.stderr


@pytest.mark.parametrize("kind", PINS)
def test_a_server_without_tls(home: Path, federation: World, kind: str) -> None:
    with speaking_no_tls() as address:
        code, said = enrol(home, address, pin(kind, federation))
    assert (code, said["where"], said["got"]) == (3, f"coordinator at {address}", "a server without TLS")


@pytest.mark.parametrize("kind", PINS)
def test_another_port_of_the_coordinator(home: Path, federation: World, kind: str) -> None:
    code, said = enrol(home, federation.member_address, pin(kind, federation))
    assert (code, said["where"]) == (3, f"coordinator at {federation.member_address}")
    assert "its port serves something else" in said["got"]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:65536", ":9"])
@pytest.mark.parametrize("kind", PINS)
def test_what_is_no_address(home: Path, federation: World, kind: str, address: str) -> None:
    code, said = enrol(home, address, pin(kind, federation))
    assert (code, said["error"], said["where"], said["got"]) == (1, "ConfigurationError", "--coordinator", address)
    assert said["expected"].startswith("HOST:PORT")


def test_another_fingerprint(home: Path, federation: World) -> None:
    code, said = enrol(home, federation.address, ONES)
    assert (code, said["error"]) == (1, "SignatureError")
    assert said["where"] == f"authority of the coordinator at {federation.address}"
    assert said["got"] == f"fingerprint {federation.home.authority_fingerprint}"
    assert said["expected"].startswith(f"{ONES}: ask its operator again")
    assert federation.store.all() == ()


def test_a_fingerprint_with_a_digit_too_few_is_no_file(home: Path, federation: World) -> None:
    code, said = enrol(home, federation.address, ONES[1:])
    assert (code, said["where"]) == (1, "--ca")
    assert said["got"] == f"{ONES[1:]}: No such file or directory"
    assert "64 hexadecimal digits" in said["expected"]
