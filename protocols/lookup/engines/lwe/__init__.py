"""The plain-LWE engine: one int8 pass over the table per batch, a hint per epoch, a fresh secret per query.

parameters   n, sigma, sizes; which shape a number of subjects gets
noise        probability of failure, samplers
matrix       the public matrix of an epoch
product      the int8 matrix product it all runs on
encoding     rows as columns of bytes, balanced digits
server       hint and answers
client       secrets, queries, opening
"""

from __future__ import annotations

from protocols.errors import MessageError
from protocols.lookup.engines.base import Geometry, Random
from protocols.lookup.engines.lwe.client import LweClient, ProcessId
from protocols.lookup.engines.lwe.parameters import arrange
from protocols.lookup.engines.lwe.product import Product
from protocols.lookup.engines.lwe.server import LwePrepared
from protocols.lookup.rows import Rows


class LweEngine:
    """`product` is an exact int8 matrix product, `process_id` names the running process (see `client`)."""

    name = "lwe"

    def __init__(self, *, product: Product, process_id: ProcessId) -> None:
        self._product = product
        self._process_id = process_id

    def geometry(self, subjects: int, quorum: int) -> Geometry:
        return arrange(subjects, quorum)

    def prepare(self, rows: Rows, epoch_id: bytes) -> LwePrepared:
        return LwePrepared(rows, epoch_id, self._product)

    def client(
        self, geometry: Geometry, epoch_id: bytes, hint: bytes, random: Random, saved: bytes | None = None
    ) -> LweClient:
        if saved is not None:
            raise MessageError("saved", got="state", expected="none: secrets of lwe are never kept")
        return LweClient(geometry, epoch_id, hint, random, self._product, self._process_id)
