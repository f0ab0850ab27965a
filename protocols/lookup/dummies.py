"""Public dummy subjects: places that belong to nobody, where every honest sum is zero.

c_d = H(layout_id, d) is public, so Q_d = c_d L is known to all without a proof. Before an epoch opens, members publish
W_jd = s_j Q_d with one proof against S_j; anyone takes the pads away and must find zero.

They catch what is wrong everywhere: another pad key or epoch, a mask seed on which two members differ, rows in another
order, a shifted table. They do not catch a member that is right at the dummies and wrong elsewhere: they are public.
And a sum that is not zero says THAT a table is wrong, not whose: masks hide each member's part. What names a party is a
proof that does not hold, and a table of the wrong size, range or digest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.errors import MessageError, ProofError
from protocols.lookup.layout import Layout
from protocols.lookup.manifest import LayoutHeader, SignedEpoch
from protocols.lookup.pads import pad
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.lookup.secrets import EpochSecrets
from protocols.oprf import dleq
from protocols.oprf.group import BASE, SIZE, Element, Random, Scalar, base, hash_to_scalar, multiply

_SCALAR = b"fedscore/v1/lookup/dummy"
_CONTEXT = b"fedscore/v1/lookup/dummy-opening"


@dataclass(frozen=True)
class DummyOpening:
    """One member's W_jd for every dummy (32 bytes each) and its proof (64 bytes)."""

    institution: str
    shared: bytes
    proof: bytes


def dummy_points(header: LayoutHeader, count: int) -> list[Element]:
    """Q_d = c_d L for d = 0 ... count - 1; the same at every member. 55 microseconds each."""
    return [multiply(scalar, header.relay) for scalar in _scalars(header, count)]


def dummy_sources(header: LayoutHeader, count: int) -> list[Element]:
    """c_d G: what the relay would lift to Q_d, had somebody reported it."""
    return [base(scalar) for scalar in _scalars(header, count)]


def check_no_dummies(header: LayoutHeader, count: int, institution: str, points: Collection[Element]) -> None:
    """What the relay checks of one member's P, or no layout could be made of all of them, and nobody would be named.

    Raises MessageError naming the institution: such a point is nobody's pseudonym, and takes a dummy's place.
    """
    if not set(dummy_sources(header, count)).isdisjoint(points):
        raise MessageError(f"points of {institution}", got="one that stands where a dummy does", expected="pseudonyms")


def open_dummies(secrets: EpochSecrets, signed: SignedEpoch, count: int, random: Random) -> DummyOpening:
    """A member's part, once the epoch is signed. It opens these public places and no other."""
    points = dummy_points(signed.layout, count)
    shared = [multiply(secrets.pad, point) for point in points]
    public = signed.layout.pads[secrets.institution]
    proof = dleq.prove(secrets.pad, BASE, public, points, shared, random, context=_context(signed, secrets.institution))
    return DummyOpening(secrets.institution, b"".join(shared), proof)


def check_opening(opening: DummyOpening, signed: SignedEpoch, points: Sequence[Element]) -> list[Element]:
    """Its W_jd. Raises ProofError naming the member, unless one s_j behind S_j gives all of them."""
    where = f"dummy pads of {opening.institution}"
    shared = [opening.shared[offset : offset + SIZE] for offset in range(0, len(opening.shared), SIZE)]
    public = signed.layout.pads[opening.institution]
    context = _context(signed, opening.institution)
    dleq.verify(opening.proof, BASE, public, points, shared, context=context, where=where)
    return shared


def check_dummies(
    values: NDArray[np.uint32], layout: Layout, signed: SignedEpoch, openings: Mapping[str, DummyOpening], count: int
) -> None:
    """Raises ProofError: naming a member whose opening is missing or does not hold; naming nobody, but the rows, where
    the sum of all tables (uint32[R, S, 8]) is not zero at a dummy or in the empty slots behind the last subject."""
    points = dummy_points(signed.layout, count)
    places = [layout.find(point) for point in points]
    expected = np.zeros((count, COEFFICIENTS), dtype=np.uint64)
    for institution in signed.layout.pads:
        if institution not in openings:
            raise ProofError(f"dummy pads of {institution}", got="none", expected=f"{count} and a proof")
        shared = check_opening(openings[institution], signed, points)
        for number, (point, value) in enumerate(zip(points, shared, strict=True)):
            expected[number] += pad(signed.epoch.id, institution, point, value)
    wrong = set()
    for number, place in enumerate(places):
        if place is None:
            raise ProofError(f"relay, layout, dummy {number}", got="no place", expected="a place for every one")
        if (values[place] != expected[number] % MODULUS).any():
            wrong.add(place[0])
    if values.reshape(-1, COEFFICIENTS)[layout.subjects :].any():
        wrong.add(layout.rows - 1)
    if wrong:
        rows = ", ".join(map(str, sorted(wrong)[:8])) + (", ..." if len(wrong) > 8 else "")
        raise ProofError(
            "sum of the tables", got=f"no zero at public places in {len(wrong)} rows ({rows})", expected="0"
        )


def _scalars(header: LayoutHeader, count: int) -> list[Scalar]:
    return [hash_to_scalar(header.id + number.to_bytes(4, "big"), _SCALAR) for number in range(count)]


def _context(signed: SignedEpoch, institution: str) -> bytes:
    return _CONTEXT + b"\0" + signed.epoch.id + institution.encode()
