"""gRPC from a protobuf service descriptor: no generated service code, one way to serve and one to call.

Server:  server.add_generic_rpc_handlers((handlers(training_pb2.DESCRIPTOR.services_by_name["Node"], implementation),))
Client:  call(channel, descriptor, "Handle", request, timeout=10.0)

`implementation` has one method per RPC, named as in the .proto: (request, grpc.ServicerContext) -> response. Unary only.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from protocols.envelope import MAX_BYTES

# A little above the largest envelope; gRPC's own 4 MiB would stop large models.
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_BYTES + 2**16),
    ("grpc.max_send_message_length", MAX_BYTES + 2**16),
)


def handlers(service: ServiceDescriptor, implementation: object) -> grpc.GenericRpcHandler:
    """Handlers for every method of `service`. Raises AttributeError if `implementation` lacks one."""
    methods = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(implementation, method.name),
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )
        for method in service.methods
    }
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def call(channel: grpc.Channel, service: ServiceDescriptor, method: str, request: Message, *, timeout: float) -> Any:
    """The response message. Raises grpc.RpcError (DEADLINE_EXCEEDED after `timeout` seconds)."""
    output = GetMessageClass(service.methods_by_name[method].output_type)
    invoke = channel.unary_unary(
        f"/{service.full_name}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=output.FromString,
    )
    return invoke(request, timeout=timeout)
