"""Is this the public key of an Ed25519 private key? Points of RFC 8032, section 5.1, in plain integers. Pure.

>>> is_public_key(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
True
>>> is_public_key(bytes([1]) + bytes(31))  # the neutral element: one signature of it verifies for every message
False

Signature libraries take whatever decodes. A point of small order is nobody's key: whoever claims it can disown what
they signed, because the same bytes are a signature of anything else; and with a point outside of the subgroup of prime
order verifiers that multiply by the cofactor disagree with those that do not (Chalkias, Garillot, Nikolaenko, "Taming
the many EdDSAs", 2020). A key that was made as RFC 8032 says is never either. Everything here is public, so nothing
needs to take constant time.
"""

from __future__ import annotations

from functools import lru_cache

ORDER = 2**252 + 27742317777372353535851937790883648493
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # of -1

_Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T: x = X/Z, y = Y/Z, x y = T/Z
_NEUTRAL: _Point = (0, 1, 1, 0)


@lru_cache(maxsize=4096)
def is_public_key(raw: bytes) -> bool:
    """Whether 32 bytes are the one encoding of a point of prime order. Milliseconds, once for each key."""
    point = _decode(raw)
    return point is not None and point[0] != 0 and _is_neutral(_multiply(ORDER, point))


def _decode(raw: bytes) -> _Point | None:
    """RFC 8032, section 5.1.3; None for bytes that are no point, or not its one encoding."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(raw) != 32 or y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P != u:
        x = x * _ROOT % _P
    if v * x * x % _P != u or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return (x, y, 1, x * y % _P)


def _add(left: _Point, right: _Point) -> _Point:
    """Complete: for equal points too (RFC 8032, section 5.1.4)."""
    a = (left[1] - left[0]) * (right[1] - right[0]) % _P
    b = (left[1] + left[0]) * (right[1] + right[0]) % _P
    c = 2 * _D * left[3] * right[3] % _P
    d = 2 * left[2] * right[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    found = _NEUTRAL
    while scalar:
        if scalar & 1:
            found = _add(found, point)
        point, scalar = _add(point, point), scalar >> 1
    return found


def _is_neutral(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0
