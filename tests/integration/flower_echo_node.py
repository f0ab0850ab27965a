"""A node for tests of the training plane: answers every request on a Unix socket with its bytes in capitals."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc


def handle(request: bytes, _: grpc.ServicerContext) -> bytes:
    if request.startswith(b"sleep"):
        time.sleep(2.0)
    if request.startswith(b"fail"):
        raise ValueError("record 4711 has a negative balance")
    return request.upper()


def main() -> None:
    path = Path(sys.argv[1])
    path.unlink(missing_ok=True)
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", 2**27)])
    handler = grpc.method_handlers_generic_handler(
        "fedscore.training.v1.Node", {"Handle": grpc.unary_unary_rpc_method_handler(handle)}
    )
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"unix:{path}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
