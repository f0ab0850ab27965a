"""Versioned protobuf messages. `make protos` regenerates the `_pb2` files from the `.proto` files beside them."""
