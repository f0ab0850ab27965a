"""The prime-order group of the pseudonyms: suite ristretto255-SHA512 of RFC 9497, VOPRF mode.

>>> k = hash_to_scalar(b"a key")
>>> multiply(invert(k), multiply(k, hash_to_group(b"4711"))) == hash_to_group(b"4711")
True

An element is its 32 canonical bytes, never the identity; a scalar is 32 bytes, little endian, reduced, never zero.
Bytes from outside pass `check_element` or `check_scalar` once, where they enter. `multiply` needs no such check before
it: libsodium decodes only canonical elements and gives no identity back, so it refuses what `check_element` refuses.
`add`, `subtract` and `sum_of` do need it: rbcl answers with the identity for bytes that are no element.

Sources: RFC 9496 (ristretto255), RFC 9497 (section 4.1, suite and context string), RFC 9380 (section 5.3.1).
Secret scalars are only ever handled by libsodium (constant time), never as Python integers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from os import unlink
from typing import TypeAlias

import rbcl

from protocols.errors import MessageError

Element: TypeAlias = bytes
Scalar: TypeAlias = bytes
Random: TypeAlias = Callable[[int], bytes]

# On import rbcl writes its 3 MB library into a temporary file and leaves it there, one for every process ever started.
# Once loaded, the file is not needed any more.
with suppress(FileNotFoundError):
    unlink(rbcl._sodium._name)  # noqa: PTH108 (no pathlib in protocols)

SIZE = 32
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = bytes(SIZE)
BASE: Element = rbcl.crypto_scalarmult_ristretto255_base((1).to_bytes(SIZE, "little"))
SUITE = b"OPRFV1-\x01-ristretto255-SHA512"  # the context string of RFC 9497, section 3.1; mode 0x01 is VOPRF

_TO_GROUP = b"HashToGroup-" + SUITE
_TO_SCALAR = b"HashToScalar-" + SUITE
_BLOCK = hashlib.sha512(bytes(128))  # Z_pad, absorbed once

_multiply = rbcl.crypto_scalarmult_ristretto255
_base = rbcl.crypto_scalarmult_ristretto255_base
_is_canonical = rbcl.crypto_core_ristretto255_is_valid_point  # accepts the identity
_from_hash = rbcl.crypto_core_ristretto255_from_hash
_reduce = rbcl.crypto_core_ristretto255_scalar_reduce
_scalar_product = rbcl.crypto_core_ristretto255_scalar_mul


def check_element(data: bytes, field: str) -> Element:
    """`data`, if it is a canonical element and not the identity; else MessageError naming `field`. 5 microseconds."""
    if len(data) != SIZE:
        raise MessageError(field, got=f"{len(data)} bytes", expected="an element of ristretto255 (32 bytes)")
    if data == IDENTITY:
        raise MessageError(field, got="the identity", expected="another element of ristretto255")
    if not _is_canonical(data):
        raise MessageError(field, got="bytes that are no canonical element", expected="an element of ristretto255")
    return data


def check_scalar(data: bytes, field: str) -> Scalar:
    """`data`, if it is a reduced scalar and not zero; else MessageError naming `field`, without the value."""
    if len(data) != SIZE:
        raise MessageError(field, got=f"{len(data)} bytes", expected="a scalar of ristretto255 (32 bytes)")
    if not 0 < int.from_bytes(data, "little") < ORDER:
        raise MessageError(field, got="a number out of range", expected="a scalar, 0 < s < the order of the group")
    return data


def multiply(scalar: Scalar, element: Element) -> Element:
    """scalar * element; 41 microseconds. Raises MessageError for what is no element, and for the identity."""
    try:
        product: bytes = _multiply(scalar, element)
    except (RuntimeError, ValueError) as error:
        raise MessageError(
            "element", got="no element, or the identity", expected="an element of ristretto255"
        ) from error
    return product


def base(scalar: Scalar) -> Element:
    """scalar * BASE, 14 microseconds."""
    try:
        product: bytes = _base(scalar)
    except RuntimeError as error:
        raise MessageError("scalar", got="zero", expected="a scalar, 0 < s < the order of the group") from error
    return product


def add(left: Element, right: Element) -> Element:
    """left + right for CHECKED elements; may be the identity. 14 microseconds."""
    total: bytes = rbcl.crypto_core_ristretto255_add(left, right)
    return total


def subtract(left: Element, right: Element) -> Element:
    """left - right for CHECKED elements; may be the identity."""
    difference: bytes = rbcl.crypto_core_ristretto255_sub(left, right)
    return difference


def sum_of(elements: Iterable[Element]) -> Element:
    """The sum of CHECKED elements; the identity for none."""
    total = IDENTITY
    for element in elements:
        total = element if total == IDENTITY else add(total, element)
    return total


def random_scalar(random: Random) -> Scalar:
    """A uniform scalar from 64 random bytes (bias 2^-259)."""
    while True:
        scalar: bytes = _reduce(random(64))
        if any(scalar):
            return scalar


def scalar_of(data: bytes) -> Scalar:
    """64 uniform bytes as a scalar, .4 microseconds; zero once in 2^252."""
    scalar: bytes = _reduce(data)
    return scalar


def invert(scalar: Scalar) -> Scalar:
    """1 / scalar, 27 microseconds."""
    inverse: bytes = rbcl.crypto_core_ristretto255_scalar_invert(scalar)
    return inverse


def invert_all(scalars: Sequence[Scalar]) -> list[Scalar]:
    """1 / s for every s, 2 microseconds each: one inversion and three products a scalar (Montgomery's trick)."""
    if not scalars:
        return []
    products = [scalars[0]]
    for scalar in scalars[1:]:
        products.append(_scalar_product(products[-1], scalar))
    rest = invert(products[-1])
    inverses: list[Scalar] = [b""] * len(scalars)
    for index in range(len(scalars) - 1, 0, -1):
        inverses[index] = _scalar_product(rest, products[index - 1])
        rest = _scalar_product(rest, scalars[index])
    inverses[0] = rest
    return inverses


def respond(nonce: Scalar, challenge: Scalar, secret: Scalar) -> Scalar:
    """nonce - challenge * secret: the answer of a Schnorr or DLEQ proof."""
    response: bytes = rbcl.crypto_core_ristretto255_scalar_sub(nonce, _scalar_product(challenge, secret))
    return response


def hash_to_group(data: bytes) -> Element:
    """The element of `data`, whose discrete logarithm nobody knows (RFC 9497, section 4.1). 13 microseconds."""
    element: bytes = _from_hash(_expand_64(data, _TO_GROUP))
    return element


def hash_to_scalar(data: bytes, dst: bytes = _TO_SCALAR) -> Scalar:
    """The scalar of `data` under the domain separation tag `dst`, by default that of RFC 9497, section 4.1."""
    scalar: bytes = _reduce(_expand_64(data, dst))
    return scalar


def expand_message(message: bytes, dst: bytes, size: int) -> bytes:
    """expand_message_xmd with SHA-512 (RFC 9380, section 5.3.1): `size` uniform bytes. Tags have at most 255 bytes."""
    if len(dst) > 255:
        raise MessageError("domain separation tag", got=f"{len(dst)} bytes", expected="at most 255")
    blocks = -(-size // 64)
    if blocks > 255:
        raise MessageError("size", got=size, expected="at most 16,320 bytes")
    tag = dst + bytes([len(dst)])
    state = _BLOCK.copy()
    state.update(message + size.to_bytes(2, "big") + b"\x00" + tag)
    first = state.digest()
    block = hashlib.sha512(first + b"\x01" + tag).digest()
    output = block
    for index in range(2, blocks + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = hashlib.sha512(mixed + bytes([index]) + tag).digest()
        output += block
    return output[:size]


def _expand_64(message: bytes, dst: bytes) -> bytes:
    return expand_message(message, dst, 64)
