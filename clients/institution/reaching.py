"""Whether a TLS server is where a coordinator should be, and in words why not.

leaf = server_certificate("coordinator.example:9090", timeout=10.0)
"""

from __future__ import annotations

import socket
import ssl

from federation.errors import ConfigurationError
from federation.runtime.rpc import Unreachable

ENROLMENT = "its enrolment service: `fedscore coordinator status` shows the address, `serve` must run there"


def server_certificate(address: str, timeout: float) -> str:
    """The certificate (PEM) that the server at `address` ("HOST:PORT") shows; nobody vouches for it.

    Raises ConfigurationError for what is no address, Unreachable for a place without a TLS server.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigurationError("--coordinator", got=address[:200], expected="HOST:PORT, the port 1 to 65535")
    try:
        return ssl.get_server_certificate((host.strip("[]"), int(port)), timeout=timeout)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a host has an empty label, or one of 64 letters
        raise Unreachable(place(address), got=_why(error, timeout), expected=ENROLMENT) from error


def place(address: str) -> str:
    """Who should be there, as errors name it."""
    return f"coordinator at {address}"


def _why(error: OSError | UnicodeError, timeout: float) -> str:
    match error:
        case socket.gaierror() | UnicodeError():
            return "no host of this name"
        case ConnectionRefusedError():
            return "nobody listens there"
        case TimeoutError():
            return f"no TLS within {timeout:g} s"
        case ssl.SSLError():
            return "a server without TLS"
        case _:
            return error.strerror or type(error).__name__
