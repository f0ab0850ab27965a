"""The coordinator's part of the private score query: the relay and the pool."""
