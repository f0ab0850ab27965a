"""How a member talks to its coordinator: mutual TLS, typed refusals, the same bytes again after an outage.

Every call may be repeated: whatever changes something at the other end is named by its own bytes. So an outage is
waited out here, with growing pauses, for `patience` seconds, and what the caller sees is an answer, a typed refusal or
Unreachable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from clients.institution.home import InstitutionHome
from federation.errors import Refused
from federation.runtime import rpc
from federation.runtime.closing import Closing
from federation.runtime.private_files import read_private
from protocols.errors import MessageError

PART_BYTES = 2**20
PATIENCE_S = 60.0
_MAX_MESSAGE = 16 * 2**20
_BUSY = frozenset({"busy", "too_many"})
Progress = Callable[[int, int], None]  # (bytes done, bytes in all)


class MemberClient(Closing):
    """One channel to one service."""

    def __init__(
        self, home: InstitutionHome, address: str, service: ServiceDescriptor, *, patience: float = PATIENCE_S
    ) -> None:
        self._service, self._address = service, address
        self._patience = patience
        self._stack = ExitStack()
        keys = home.keys
        credentials = rpc.client_tls(
            (keys / "ca.crt").read_bytes(), key=read_private(keys / "tls.key"), chain=(keys / "tls.crt").read_bytes()
        )
        self._channel = self._stack.enter_context(rpc.dial(address, credentials=credentials, max_bytes=_MAX_MESSAGE))

    def close(self) -> None:
        self._stack.close()

    def _ask(self, method: str, request: Message, *, timeout: float = 30.0, patience: float | None = None) -> Any:
        """The reply; the same bytes again after an outage. Raises Refused or Unreachable, which names the address."""
        try:
            return patiently(
                lambda: rpc.ask(self._channel, self._service, method, request, timeout=timeout),
                self._patience if patience is None else patience,
            )
        except rpc.Unreachable as error:
            where = f"{error.where} at {self._address}"
            raise rpc.Unreachable(where, got=error.got, expected=error.expected) from error

    def _fetch(self, method: str, request: Any, most: int, progress: Progress | None = None) -> bytes:
        """A whole thing of at most `most` bytes, sent in parts. Raises MessageError for parts that do not fit."""
        data = bytearray()
        while True:
            request.offset, request.limit = len(data), PART_BYTES
            part = self._ask(method, request)
            if part.size > most:
                raise MessageError(f"{method}.size", got=part.size, expected=f"at most {most}")
            if part.offset != len(data) or len(part.data) > PART_BYTES or len(data) + len(part.data) > part.size:
                raise MessageError(f"{method}.part", got="bytes out of order", expected=f"those after {len(data)}")
            data += part.data
            if progress is not None:
                progress(len(data), part.size)
            if len(data) == part.size:
                return bytes(data)
            if not part.data:
                raise MessageError(f"{method}.part", got="an empty part", expected=f"{part.size} bytes in all")


def patiently(call: Callable[[], Any], patience: float) -> Any:
    """`call()`, again after growing pauses while nobody answers or the other end is busy, for `patience` seconds."""
    retrying = Retrying(
        retry=retry_if_exception(is_passing),
        wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
        stop=stop_after_delay(patience),
        reraise=True,
    )
    return retrying(call)


def is_passing(error: BaseException) -> bool:
    """Whether the same bytes, sent again, may be answered."""
    return isinstance(error, rpc.Unreachable) or (isinstance(error, Refused) and error.code in _BUSY)
