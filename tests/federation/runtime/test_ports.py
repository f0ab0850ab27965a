from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from federation.errors import ConfigurationError
from federation.runtime import pki, ports, rpc

TAKES_ALL = """
import sys
from federation.errors import ConfigurationError
from federation.runtime import ports

ports._range = lambda handed_out: (int(sys.argv[1]), int(sys.argv[2]))
try:
    print(ports.free_ports(), flush=True)
except ConfigurationError:
    print("none", flush=True)
sys.stdin.read()
"""


def test_nobody_listens_on_a_closed_port() -> None:
    authority = pki.Authority.create("x", datetime.now(UTC)).certificate_pem
    assert not ports.listens("127.0.0.1", 1)
    assert not ports.answers("127.0.0.1", 1, authority)


@pytest.mark.parametrize("mutual", [False, True])
def test_a_server_answers_for_its_own_authority_alone(mutual: bool) -> None:
    now = datetime.now(UTC)
    ours, other, key = pki.Authority.create("x", now), pki.Authority.create("x", now), pki.new_tls_key()
    chain = ours.sign_server(pki.signing_request(key, "x"), ["coordinator.example"], now)
    tls = rpc.server_tls(key, chain, client_authority=ours.certificate_pem if mutual else None)
    with rpc.serve([], "127.0.0.1:0", credentials=tls) as served:
        assert ports.answers("127.0.0.1", served.port, ours.certificate_pem)
        assert not ports.answers("127.0.0.1", served.port, other.certificate_pem)


def test_who_listens_and_says_nothing_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_PATIENCE_S", 0.2)
    authority = pki.Authority.create("x", datetime.now(UTC)).certificate_pem
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert ports.listens("127.0.0.1", port)
        assert not ports.answers("127.0.0.1", port, authority)


def test_free_ports_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    low, end = ports._range(ports._HANDED_OUT.read_text())
    assert low <= ports.free_ports(4) < end
    with pytest.raises(ConfigurationError, match="1 to 8"):
        ports.free_ports(9)
    monkeypatch.setattr(ports, "_is_free", lambda host, port: False)
    with pytest.raises(ConfigurationError, match="no free ports"):
        ports.free_ports(2)


def test_where_the_system_does_not_say_what_it_hands_out_the_default_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ports, "_HANDED_OUT", tmp_path / "not-linux")
    assert 20768 <= ports.free_ports() < 32768


def test_no_two_processes_are_told_the_same_port_while_both_live(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.free_ports(8)  # a block of our own, let go below: the only one there is for those that follow
    ports._reservations.pop().close()
    command = [sys.executable, "-c", TAKES_ALL, str(first), str(first + 8)]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    holder, late = start(), None
    try:
        assert told(holder) == str(first)
        late = start()
        assert told(late) == "none"
        holder.communicate()
        monkeypatch.setattr(ports, "_range", lambda handed_out: (first, first + 8))
        assert ports.free_ports() == first
    finally:
        for process in (holder, late):
            if process is not None:
                process.kill()
                process.wait()
