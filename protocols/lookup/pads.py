"""Pads, that only a ticket for the subject reveals, and masks, that only the sum over all members takes away.

pad    SHAKE-256(label, epoch_id, j, Q, s_j Q): 64 bytes, eight numbers mod t. Whoever knows s_j Q knows the pad; a
       ticket for the subject gives s_j Q for every member, and nothing for any other subject.
mask   for every pair i < j one AES-256-CTR stream under HKDF(X25519(x_i, X_j)): i adds it, j subtracts it. With masks,
       one member's table stays noise to whoever has a ticket: it opens the sum and no single record.

64 random bits taken mod t are within t / 2^64 = 2^-44 of uniform, each.
Costs (one core): 41 microseconds a subject for s_j Q and 3 for everything else of the pad; .1 for the mask of a peer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from numpy.typing import NDArray

from protocols.errors import MessageError
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.oprf.group import SIZE, Element, Scalar, multiply

if TYPE_CHECKING:
    from _hashlib import HASHXOF

_PAD = b"fedscore/v1/lookup/pad"
_MASK = b"fedscore/v1/lookup/mask"
_BYTES = 8 * COEFFICIENTS
_BLOCKS = _BYTES // 16  # AES blocks in the mask of one slot


def pad(epoch_id: bytes, institution: str, point: Element, shared: Element) -> NDArray[np.uint32]:
    """uint32[8]: the pad of `institution` at the subject `point` (Q), from `shared` = s_j Q, which a ticket gives."""
    residues = _residues(_absorbed(epoch_id, institution, point + shared).digest(_BYTES))
    return residues.reshape(COEFFICIENTS)


def pads(secret: Scalar, epoch_id: bytes, institution: str, points: bytes) -> NDArray[np.uint32]:
    """uint32[n, 8]: the pads of `institution`, whose pad key is `secret`, at n subjects (32 bytes each).

    Raises MessageError naming the first point that is no element of the group.
    """
    start = _absorbed(epoch_id, institution, b"")
    output = bytearray()
    for offset in range(0, len(points), SIZE):
        point = points[offset : offset + SIZE]
        try:
            shared = multiply(secret, point)
        except MessageError as error:
            raise MessageError(f"point {offset // SIZE}", got=error.got, expected=error.expected) from error
        state = start.copy()
        state.update(point + shared)
        output += state.digest(_BYTES)
    return _residues(output)


def pair_masks(seed: bytes, epoch_id: bytes, first_slot: int, count: int) -> NDArray[np.uint32]:
    """uint32[count, 8]: one pair's masks at slots first_slot ... of the whole table, counted row after row."""
    return _residues(_stream(seed, epoch_id, first_slot, count))


def net_masks(
    institution: str, seeds: Mapping[str, bytes], epoch_id: bytes, first_slot: int, count: int
) -> NDArray[np.uint32]:
    """uint32[count, 8]: what `institution` adds to its table, given the seed it shares with each other member.

    The sum over all members is zero mod t: of a pair, the first by name adds and the other subtracts.
    """
    halves = np.zeros(
        (count, COEFFICIENTS, 2), dtype=np.int64
    )  # low and high words apart: no overflow below 2^31 peers
    for peer, seed in seeds.items():
        words = np.frombuffer(_stream(seed, epoch_id, first_slot, count), dtype="<u4").reshape(halves.shape)
        if institution < peer:
            halves += words
        else:
            halves -= words
    high = halves[..., 1] % MODULUS * (2**32 % MODULUS)
    return ((halves[..., 0] + high) % MODULUS).astype(np.uint32)


def _absorbed(epoch_id: bytes, institution: str, rest: bytes) -> HASHXOF:
    name = institution.encode()
    return hashlib.shake_256(_PAD + b"\0" + epoch_id + len(name).to_bytes(2, "little") + name + rest)


def _stream(seed: bytes, epoch_id: bytes, first_slot: int, count: int) -> bytes:
    key = HKDFExpand(SHA256(), 32, _MASK + b"\0" + epoch_id).derive(seed)
    counter = (first_slot * _BLOCKS).to_bytes(16, "big")
    return Cipher(AES(key), CTR(counter)).encryptor().update(bytes(count * _BYTES))


def _residues(stream: bytes | bytearray) -> NDArray[np.uint32]:
    words = np.frombuffer(stream, dtype="<u8").reshape(-1, COEFFICIENTS)
    return (words % np.uint64(MODULUS)).astype(np.uint32)
