"""Who may ask a SuperLink for what.

Flower 1.41 serves three interfaces on one port: Fleet (SuperNodes, authenticated by their keys), Control (whoever
reaches it may submit code that runs at the institutions) and Runtime (whoever reaches it may take over a run). Here

 1. the public port answers Fleet requests only, and none that makes or removes nodes;
 2. Control and Runtime are on a second port of the loopback interface;
 3. Control there wants the operator's token, Runtime the executor's secret or a task's own token.

An address is no credential: the third point holds against the other users of the coordinator's machine.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from flwr.common.constant import ACCESS_TOKEN_KEY, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.supercore.auth.typing import AccountAuthCredentials, AccountAuthLoginDetails, AccountInfo
from flwr.superlink.auth_plugin import ControlAuthnPlugin

from protocols.envelope import MAX_BYTES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Metadata = Sequence[tuple[str, str | bytes]]

FLEET: Final = frozenset(
    f"/v1/fleet/{name}"
    for name in (
        "activate-node",
        "deactivate-node",
        "send-node-heartbeat",
        "pull-messages",
        "push-messages",
        "get-run",
        "get-fab",
        "push-object",
        "pull-object",
        "confirm-message-received",
    )
)
OPERATOR: Final = ("/v1/control/", "/v1/runtime/")
MAX_BODY: Final = MAX_BYTES + 2**16


class Guard:
    """The outermost layer: looks at the local port a request came in by, its path and its size, before Flower does."""

    def __init__(self, application: Application, *, operator_port: int) -> None:
        self._application = application
        self._operator_port = operator_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] != "http":
            raise PermissionError(f"{scope['type']}: only http is served")
        elif not self._admits(scope):
            await _refuse(send, 404)
        elif not _small(scope):
            await _refuse(send, 413)
        else:
            await self._application(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        server, path = scope.get("server"), scope["path"]
        if server is not None and server[1] == self._operator_port:
            return isinstance(path, str) and path.startswith(OPERATOR)
        return path in FLEET


class OperatorOnly(ControlAuthnPlugin):
    """Admits a Control call if it carries the operator's token, as Flower's own default account."""

    def __init__(self, token: str = "") -> None:
        if len(token) < 32:
            raise ValueError("an operator token has at least 32 characters")
        self._token = token.encode()

    def validate_tokens_in_metadata(self, metadata: Metadata) -> tuple[bool, AccountInfo | None]:
        """Constant time in the token's content."""
        shown = dict(metadata).get(ACCESS_TOKEN_KEY, "")
        if not hmac.compare_digest(shown if isinstance(shown, bytes) else shown.encode(), self._token):
            return False, None
        return True, AccountInfo(flwr_aid=NOOP_FLWR_AID, account_name=NOOP_ACCOUNT_NAME)

    def get_login_details(self) -> AccountAuthLoginDetails | None:
        """None: there is no login, the token is a file of the coordinator's home."""
        return None

    def get_auth_tokens(self, device_code: str) -> AccountAuthCredentials | None:
        """None, whatever is shown."""
        return None

    def refresh_tokens(self, metadata: Metadata) -> tuple[Metadata | None, AccountInfo | None]:
        """None, whatever is shown."""
        return None, None


def _small(scope: Scope) -> bool:
    """Whether the request announces a body of known and bearable size."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return len(lengths) == 1 and lengths[0].isdigit() and int(lengths[0]) <= MAX_BODY


async def _refuse(send: Send, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
