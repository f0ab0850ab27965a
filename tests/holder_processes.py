"""The holders of the oversight key as people and machines have them: homes made by commands, services in processes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

from wallets import Persons

from federation.inquiries.holder_home import HolderHome
from federation.runtime.pki import key_fingerprint
from federation.runtime.ports import free_ports
from protocols.consent.holders import OversightKey

_START_S = 150.0


def fedscore(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The command, as a person types it."""
    command = [sys.executable, "-m", "federation.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done


def join(folder: Path, persons: Persons, log: str, coordinator: str) -> OversightKey:
    """Both homes by their commands, and the joint key: what the two bodies do at their terminals."""
    authority = persons.authority.authority
    named = ("--authority", f"{authority.name}={authority.key.hex}")
    ports = free_ports(2)
    at = {"ombudsman": folder / "ombudsman", "regulator": folder / "regulator"}
    keys = ("--log-key", log, "--coordinator-key", coordinator)
    fedscore("ombudsman", "init", "--home", at["ombudsman"], *keys, *named, "--port", ports)
    fedscore("regulator", "holder", "init", "--home", at["regulator"], *named, "--port", ports + 1)
    homes = {
        "ombudsman": HolderHome.open(at["ombudsman"]),
        "regulator": HolderHome.open(at["regulator"] / "holder"),
    }
    prints = {name: key_fingerprint(home.statement.key) for name, home in homes.items()}
    theirs = {name: home.path / "holder.json" for name, home in homes.items()}
    fedscore("ombudsman", "join", theirs["regulator"], "--home", at["ombudsman"], "--key", prints["regulator"])
    fedscore(
        "regulator", "holder", "join", theirs["ombudsman"], "--home", at["regulator"], "--key", prints["ombudsman"]
    )
    assert homes["ombudsman"].oversight == homes["regulator"].oversight
    return homes["ombudsman"].oversight


def served(
    command: list[str], port: int, log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """A process that listens on `port` when this returns."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    end = time.monotonic() + _START_S
    while not _listens(port):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    return process


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
