"""grpc.health.v1 (github.com/grpc/grpc/blob/master/doc/health-checking.md) over what health says.

`Check` only: a watcher would hold a worker for as long as it likes, and is told UNIMPLEMENTED, as the protocol allows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVICE = "grpc.health.v1.Health"


def health_handler(ready: Callable[[], bool], services: Collection[str]) -> grpc.GenericRpcHandler:
    """Answers for the server as a whole ("") and for each of `services`, by full name; NOT_FOUND for any other."""

    def check(request: Any, context: grpc.ServicerContext) -> Any:
        if request.service not in ("", *services):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        status = HealthCheckResponse.SERVING if ready() else HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse(status=status)

    method = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=HealthCheckRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"Check": method})
