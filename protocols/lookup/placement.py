"""Own places, proved: where a member's customers stand, and that nobody else chose it.

    relay    lifted, proof = prove_places(z, layout, institution, points, random)          chunks of up to 4096
    member   check_places(layout, institution, points, lifted, proof)                      115 microseconds a subject
             places = own_places(layout_points, all lifted)                                by its own search

Why: a relay that says "your customer stands at Q" for a Q = x G of its making knows every pad there, x S_j, without a
ticket, and reads the record. The proof (DLEQ, RFC 9497 section 2.2) ties Q to P = H(id)^k, whose logarithm nobody
knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.errors import MessageError, ProofError
from protocols.lookup.layout import Layout
from protocols.lookup.manifest import LayoutHeader
from protocols.oprf import dleq
from protocols.oprf.group import BASE, SIZE, Element, Random, Scalar, multiply

_CONTEXT = b"fedscore/v1/lookup/placement"
CHUNK = 4096


@dataclass(frozen=True)
class PlacesChunk:
    """P and Q of some customers (32 bytes each) and the relay's proof; `first` numbers them among the member's own."""

    first: int
    points: bytes
    lifted: bytes
    proof: bytes


@dataclass(frozen=True)
class Places:
    """int64[m]: the place (row * slots + slot) of every customer, in the order in which the customers were given.

    Made by `own_places` from points whose proofs were checked; a snapshot takes no other positions.
    """

    layout_digest: bytes
    positions: NDArray[np.int64]


def prove_places(
    z: Scalar, header: LayoutHeader, institution: str, points: Sequence[Element], random: Random
) -> tuple[bytes, bytes]:
    """The relay's answer to a chunk of a member's P: every Q = z P, and one proof of 64 bytes for all of them."""
    lifted = [multiply(z, point) for point in points]
    proof = dleq.prove(z, BASE, header.relay, points, lifted, random, context=_context(header, institution))
    return b"".join(lifted), proof


def check_places(header: LayoutHeader, institution: str, chunk: PlacesChunk) -> None:
    """Raises ProofError naming the relay and the customers, unless z ties every Q of the chunk to its P."""
    last = chunk.first + len(chunk.points) // SIZE - 1
    where = f"relay, places of customers {chunk.first} to {last}"
    points, lifted = _split(chunk.points), _split(chunk.lifted)
    context = _context(header, institution)
    dleq.verify(chunk.proof, BASE, header.relay, points, lifted, context=context, where=where)


def own_places(layout: Layout, lifted: bytes) -> Places:
    """The places of a member's customers, found by its own search among the points all members check and sign.

    Raises ProofError naming the customer that has no place: then the epoch is not signed. MessageError for one given
    twice.
    """
    points = _split(lifted)
    if len(set(points)) != len(points):
        raise MessageError("own customers", got="one place twice", expected="every customer once")
    positions = layout.positions(points)
    missing = np.flatnonzero(positions < 0)
    if missing.size:
        raise ProofError(f"relay, place of customer {missing[0]}", got="none", expected="a place in the layout")
    return Places(layout.digest, positions)


def proof_chunks(points: Sequence[Element]) -> Iterator[tuple[int, Sequence[Element]]]:
    """A member's P in the chunks that one proof covers, with the number of the first of each."""
    for first in range(0, len(points), CHUNK):
        yield first, points[first : first + CHUNK]


def _context(header: LayoutHeader, institution: str) -> bytes:
    return _CONTEXT + b"\0" + header.id + institution.encode()


def _split(points: bytes) -> list[Element]:
    return [points[offset : offset + SIZE] for offset in range(0, len(points), SIZE)]
