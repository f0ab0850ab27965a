"""The operator's hand on a SuperLink: register nodes, submit a run, see how it is, stop it.

with Control.open(port, authority_pem, token) as control:
    node_id = control.register(public_key_pem, "bank-a")
    run = control.submit(bundle, {"run": "2030-spring"})
    control.status(run)                                  # RunState.PENDING, RUNNING, COMPLETED, FAILED, STOPPED
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Self, TypeVar

import httpx
from flwr.common.constant import Status, SubStatus
from flwr.common.serde import fab_to_proto, user_config_to_proto
from flwr.proto import control_pb2
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.fab import Fab
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext

from federation.errors import FederationError
from federation.runtime.closing import Closing
from federation.runtime.flower.bundle import Bundle
from federation.runtime.flower.launch import LOOPBACK

T = TypeVar("T")


class ControlError(FederationError):
    """A Control call that was refused, or, where `away`, a SuperLink that does not answer."""

    def __init__(self, *, got: str, expected: str, away: bool = False) -> None:
        super().__init__("control", got=got, expected=expected)
        self.away = away


class RunState(StrEnum):
    """Where a Flower run stands. The last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def final(self) -> bool:
        return self not in (RunState.PENDING, RunState.RUNNING)


class _Credential:
    """Adds the operator's token to each request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        context.request.headers["authorization"] = f"Bearer {self._token}"
        return call_next(context)


class Control(Closing):
    """A connection to the Control API. Every method raises ControlError."""

    def __init__(self, client: ControlHttpClient) -> None:
        self._client = client

    @classmethod
    def open(cls, port: int, authority: bytes, token: str, *, timeout: float = 10.0) -> Self:
        """To the SuperLink of this machine, whose certificate `authority` (PEM) signed."""
        context = ssl.create_default_context(cadata=authority.decode())
        url = f"https://{LOOPBACK}:{port}"
        return cls(ControlHttpClient(url, interceptors=[_Credential(token)], verify=context, timeout=timeout))

    def register(self, public_key: bytes, name: str) -> int:
        """The node id of a SuperNode key (SubjectPublicKeyInfo PEM). It stays the key's: asking again is fine."""
        request = control_pb2.RegisterNodeRequest(public_key=public_key, name=name)
        try:
            return int(_mapped(lambda: self._client.RegisterNode(request)).node_id)
        except ControlError as error:
            known = self.nodes().get(public_key)
            if known is None:
                raise error
            return known

    def unregister(self, node_id: int) -> None:
        """Remove a node for good: its key is never admitted again."""
        _mapped(lambda: self._client.UnregisterNode(control_pb2.UnregisterNodeRequest(node_id=node_id)))

    def nodes(self) -> dict[bytes, int]:
        """Node id by public key (PEM), of all that are registered."""
        response = _mapped(lambda: self._client.ListNodes(control_pb2.ListNodesRequest()))
        return {node.public_key: node.node_id for node in response.nodes_info if node.status != "unregistered"}

    def online(self) -> frozenset[int]:
        """The ids of the nodes that are connected now."""
        response = _mapped(lambda: self._client.ListNodes(control_pb2.ListNodesRequest()))
        return frozenset(node.node_id for node in response.nodes_info if node.status == "online")

    def submit(self, bundle: Bundle, config: Mapping[str, str]) -> int:
        """Start a run of `bundle`; its Flower run id. `config` overrides the bundle's run configuration."""
        fab = fab_to_proto(Fab(bundle.hash, bundle.content, {}))
        request = control_pb2.StartRunRequest(fab=fab, override_config=user_config_to_proto(dict(config)))
        number = int(_mapped(lambda: self._client.StartRun(request)).run_id)
        if number == 0:
            raise ControlError(got="no run id", expected="a bundle within Flower's size limit")
        return number

    def status(self, number: int) -> RunState:
        """Where run `number` stands."""
        response = _mapped(lambda: self._client.ListRuns(control_pb2.ListRunsRequest(run_id=number)))
        status = response.run_dict[number].status
        if status.status == Status.FINISHED:
            finals = {SubStatus.COMPLETED: RunState.COMPLETED, SubStatus.STOPPED: RunState.STOPPED}
            return finals.get(status.sub_status, RunState.FAILED)
        return RunState.RUNNING if status.status == Status.RUNNING else RunState.PENDING

    def unfinished(self) -> tuple[int, ...]:
        """The runs, of the last twenty, that are not final."""
        response = _mapped(lambda: self._client.ListRuns(control_pb2.ListRunsRequest()))
        return tuple(number for number, run in response.run_dict.items() if run.status.status != Status.FINISHED)

    def stop(self, number: int) -> None:
        """Stop a run; a finished one stays as it is."""
        try:
            _mapped(lambda: self._client.StopRun(control_pb2.StopRunRequest(run_id=number)))
        except ControlError:
            if not self.status(number).final:
                raise

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _mapped(call: Callable[[], T]) -> T:
    with _errors():
        return call()


@contextmanager
def _errors() -> Iterator[None]:
    """The one place where Flower's and httpx' errors become the project's."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        flower = FlowerError.from_json(error.response.text)
        got = f"HTTP {error.response.status_code}" if flower is None else f"{ApiErrorCode(flower.code).name.lower()}"
        raise ControlError(got=got, expected="an admitted call") from error
    except (httpx.TransportError, ValueError) as error:
        raise ControlError(got=f"no answer ({type(error).__name__})", expected="a SuperLink", away=True) from error
