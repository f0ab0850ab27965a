"""Who may ask a SuperLink for what.

Flower 1.41 serves three interfaces on one port: Fleet (SuperNodes, authenticated by their keys), Control (whoever
reaches it may submit code that runs at the institutions) and Runtime (whoever reaches it may take over a run). Here

 1. the public port answers Fleet requests only, and none that makes or removes nodes;
 2. it reads the body of a registered node only, by the node's signature in the headers;
 3. Control and Runtime are on a second port of the loopback interface;
 4. Control there wants the operator's token, Runtime the executor's secret or a task's own token;
 5. bodies are bounded on both: each, all of one caller's, all together, and in time.

An address is no credential: the fourth point holds against the other users of the coordinator's machine.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Hashable, MutableMapping, Sequence
from typing import Any, Final

from flwr.common.constant import ACCESS_TOKEN_KEY, NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.supercore.auth.typing import AccountAuthCredentials, AccountAuthLoginDetails, AccountInfo
from flwr.superlink.auth_plugin import ControlAuthnPlugin

from federation.runtime.flower.credentials import RegisteredNodes
from federation.runtime.flower.intake import Busy, Intake, Receive, read_body, replay
from protocols.envelope import MAX_BYTES

Scope = MutableMapping[str, Any]
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
CARRYING: Final = frozenset({"/v1/fleet/push-messages", "/v1/fleet/push-object"})  # what may be large
MAX_BODY: Final = MAX_BYTES + 2**16
SMALL_BODY: Final = 2**16
BODY_S: Final = 60.0  # for the largest body: about 1 MiB/s
SMALL_BODY_S: Final = 10.0
MAX_REQUESTS: Final = 128
MAX_HELD: Final = 4 * MAX_BODY


class Guard:
    """The outermost layer: looks at the local port a request came in by, its path, its caller and its size, before
    Flower does. `on_known` hears the address of a caller that has shown a registered node's key.
    """

    def __init__(
        self,
        application: Application,
        *,
        operator_port: int,
        nodes: RegisteredNodes,
        on_known: Callable[[tuple[str, int] | None], None] = lambda address: None,
    ) -> None:
        self._application = application
        self._operator_port = operator_port
        self._nodes = nodes
        self._on_known = on_known
        self._public = Intake(MAX_REQUESTS, total=MAX_HELD, each=MAX_BODY + 16 * SMALL_BODY)
        self._private = Intake(MAX_REQUESTS, total=MAX_HELD, each=MAX_HELD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
        elif scope["type"] != "http":
            raise PermissionError(f"{scope['type']}: only http is served")
        elif (status := await self._serve(scope, receive, send)) is not None:
            await _refuse(send, status)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> int | None:
        """The status to refuse with; None where the request was served, or its caller is gone."""
        server, path = scope.get("server"), scope["path"]
        # 1. Nothing but what this port is for.
        operator = server is not None and server[1] == self._operator_port
        if not (path.startswith(OPERATOR) if operator else path in FLEET):
            return 404
        # 2. On the public port, nobody but registered nodes.
        caller: Hashable = None
        if not operator:
            caller = await self._nodes.caller(scope["headers"])
            if caller is None:
                return 401
            self._on_known(scope.get("client"))
        # 3. No body larger than this request needs, and none of unknown size.
        large = operator or path in CARRYING
        size = _announced(scope)
        if size is None or size > (MAX_BODY if large else SMALL_BODY):
            return 413
        # 4. Not more at once than there is room for; Flower's clients ask again after a 503.
        try:
            with (self._private if operator else self._public).room(caller, size):
                return await self._pass(scope, receive, send, BODY_S if large else SMALL_BODY_S)
        except Busy:
            return 503

    async def _pass(self, scope: Scope, receive: Receive, send: Send, seconds: float) -> int | None:
        # 5. Not slower than a slow line.
        try:
            body = await read_body(receive, seconds=seconds)
        except TimeoutError:
            return 408
        if body is not None:
            await self._application(scope, replay(body, receive), send)
        return None


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


def _announced(scope: Scope) -> int | None:
    """The size of the body in bytes, as announced; None where that is not one plain number."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if len(lengths) == 1 and len(lengths[0]) < 20 and lengths[0].isdigit() else None


async def _refuse(send: Send, status: int) -> None:
    """An empty answer, and the end of the connection: what is left of the body is not read."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
