"""TCP ports of this machine: who answers there, and which are free."""

from __future__ import annotations

import secrets
import socket
import ssl
from pathlib import Path

from federation.errors import ConfigurationError

_PATIENCE_S = 2.0
_LOWEST, _SPAN, _BLOCK = 4_096, 12_000, 8
_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LINUX = "32768 60999"  # its default: what is taken where a system does not say
_reservations: list[socket.socket] = []


def listens(host: str, port: int) -> bool:
    """Whether someone accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE_S):
            return True
    except OSError:
        return False


def answers(host: str, port: int, authority: bytes) -> bool:
    """Whether a server answers there with a certificate of `authority` (PEM).

    A readiness probe that tells our own server from another process on the port it was to have.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # the question is whose it is; what it is called depends on where one asks
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=authority.decode())
    try:
        with (
            socket.create_connection((host, port), timeout=_PATIENCE_S) as plain,
            context.wrap_socket(plain),
        ):
            return True
    except OSError:
        return False


def free_ports(count: int = 1, *, host: str = "127.0.0.1") -> int:
    """The first of `count` (8 at most) consecutive ports that are free, reserved until this process ends.

    Against whoever else asks this function, that is: nobody can hold a port for a child that is yet to bind it. The
    reservation is a name in the abstract namespace of Unix sockets, which like ports is the network namespace's and
    goes with its process. Raises ConfigurationError.
    """
    if not 1 <= count <= _BLOCK:
        raise ConfigurationError("ports", got=f"{count} in a row", expected=f"1 to {_BLOCK}")
    lowest, end = _range(_HANDED_OUT.read_text() if _HANDED_OUT.exists() else _LINUX)
    for _ in range(200):
        first = lowest + _BLOCK * secrets.randbelow((end - lowest) // _BLOCK)
        if _reserve(first) and all(_is_free(host, port) for port in range(first, first + count)):
            return first
    raise ConfigurationError(host, got="no free ports", expected=f"{count} in a row")


def _range(handed_out: str) -> tuple[int, int]:
    """Below what the system hands out to whoever connects or asks for any port (Linux, net.ipv4.ip_local_port_range).

    >>> _range("32768 60999"), _range("16000 65535"), _range("1024 65535")
    ((20768, 32768), (4096, 16000), (20768, 32768))
    """
    begin = int(handed_out.split()[0])
    end = begin if begin >= 2 * _LOWEST else 2**15  # no room below: there is no better place than another
    return max(_LOWEST, end - _SPAN), end


def _reserve(first: int) -> bool:
    reservation = socket.socket(socket.AF_UNIX)
    try:
        reservation.bind(f"\0fedscore-ports-{first}")
    except OSError:
        reservation.close()
        return False
    _reservations.append(reservation)
    return True


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
