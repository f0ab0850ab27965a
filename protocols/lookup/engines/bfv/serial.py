"""SEAL's objects to numbers and back.

`sealapi` saves to and loads from paths only, so a memory file (`memfd_create`, no disk) carries the bytes: hence `os`.
SEAL's own loader is never shown bytes from elsewhere: it accepts transparent ciphertexts, any size and any form, and
inflates whatever a compressed stream says. What is received is numbers (`packing`); here they are written out as SEAL's
uncompressed layout (SEAL 4, `Ciphertext::save_members`, `KSwitchKeys::save_members`, `Plaintext::save_members`), whose
every header field is ours.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import tenseal.sealapi as seal
import zstandard
from numpy.typing import NDArray

from protocols.lookup.engines.bfv.parameters import DEGREE, PRIMES, ring

SEED_BYTES = 64

_HEADER_BYTES = 16
_PLAIN, _ZSTD = 0, 2  # seal::compr_mode_type
_BLAKE2XB = b"\x01"  # seal::prng_type, SEAL's default


@dataclass(frozen=True)
class Seeded:
    """A symmetric ciphertext: `c0` as uint64[primes, N], and the seed from which SEAL draws a uniform c1."""

    seed: bytes
    c0: NDArray[np.uint64]


def save(value: Any) -> bytes:
    """The uncompressed bytes of one of our own objects, without the outer header."""
    data = _saved(value)
    if data[5] == _PLAIN:
        return data[_HEADER_BYTES:]
    if data[5] != _ZSTD:
        raise RuntimeError(f"SEAL compressed with mode {data[5]}, expected {_PLAIN} or {_ZSTD}")
    return zstandard.ZstdDecompressor().decompressobj().decompress(data[_HEADER_BYTES:])


def _saved(value: Any) -> bytes:
    handle = os.memfd_create("seal", os.MFD_CLOEXEC)
    try:
        value.save(f"/proc/self/fd/{handle}")
        return os.pread(handle, os.fstat(handle).st_size, 0)
    finally:
        os.close(handle)


@lru_cache(maxsize=1)
def _version() -> bytes:
    """Major and minor version of this SEAL, as its headers say it."""
    return _saved(seal.Plaintext("1"))[3:5]


def _load(kind: type, body: bytes) -> Any:
    value = kind()
    handle = os.memfd_create("seal", os.MFD_CLOEXEC)
    try:
        with open(handle, "wb", closefd=False) as file:
            file.write(_nested(body))
        value.load(ring().context, f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
    return value


def _nested(body: bytes) -> bytes:
    return struct.pack("<HB2sBHQ", 0xA15E, _HEADER_BYTES, _version(), _PLAIN, 0, _HEADER_BYTES + len(body)) + body


def _array(values: NDArray[np.uint64]) -> bytes:
    return _nested(struct.pack("<Q", values.size) + np.ascontiguousarray(values, dtype="<u8").tobytes())


def _plaintext(level: Sequence[int], coefficients: NDArray[np.uint64]) -> bytes:
    return struct.pack("<4QQd", *level, coefficients.size, 1.0) + _array(coefficients)


def _ciphertext_prefix(level: Sequence[int], primes: int, *, ntt: bool) -> bytes:
    return struct.pack("<4Q?QQQdQ", *level, ntt, 2, DEGREE, primes, 1.0, 1)


def _seeded(level: Sequence[int], seeded: Seeded, *, ntt: bool) -> bytes:
    prefix = _ciphertext_prefix(level, len(seeded.c0), ntt=ntt)
    return prefix + _array(seeded.c0) + _nested(_BLAKE2XB + seeded.seed)


def _read_seeded(body: bytes, level: Sequence[int], primes: int, *, ntt: bool) -> Seeded:
    """Reads what `_seeded` writes. SEAL's bytes are ours, but a layout that changed must not pass unseen."""
    start = len(_ciphertext_prefix(level, primes, ntt=ntt)) + _HEADER_BYTES + 8
    c0 = np.frombuffer(body, dtype="<u8", count=primes * DEGREE, offset=start).astype(np.uint64)
    seeded = Seeded(body[-SEED_BYTES:], c0.reshape(primes, DEGREE))
    if _seeded(level, seeded, ntt=ntt) != body:
        raise RuntimeError("this SEAL writes seeded ciphertexts in another layout")
    return seeded


def plaintext(coefficients: NDArray[np.uint64]) -> Any:
    """A SEAL plaintext of uint64[N] coefficients below t."""
    return _load(seal.Plaintext, _plaintext((0, 0, 0, 0), coefficients))


def plaintext_coefficients(value: Any) -> NDArray[np.uint64]:
    """uint64[N] of a SEAL plaintext in coefficient form."""
    body = save(value)
    coefficients = np.zeros(DEGREE, dtype=np.uint64)
    found = np.frombuffer(body, dtype="<u8", offset=len(_plaintext((0, 0, 0, 0), coefficients[:0])))
    coefficients[: found.size] = found
    return coefficients


def secret_residues(key: Any) -> NDArray[np.uint64]:
    """uint64[3, N]: the secret key, in NTT form."""
    body = save(key)
    return np.frombuffer(body[-8 * DEGREE * len(PRIMES) :], dtype="<u8").astype(np.uint64).reshape(len(PRIMES), DEGREE)


def secret_key(residues: NDArray[np.uint64]) -> Any:
    """The secret key of uint64[3, N]."""
    return _load(seal.SecretKey, _plaintext(ring().key_level, residues))


def query_parts(serializable: Any) -> Seeded:
    """What `Encryptor.encrypt_symmetric` made."""
    return _read_seeded(save(serializable), ring().data_level, 2, ntt=False)


def query_ciphertext(query: Seeded) -> Any:
    return _load(seal.Ciphertext, _seeded(ring().data_level, query, ntt=False))


def answer_polynomials(answer: Any) -> NDArray[np.uint64]:
    """uint64[2, N] of an answer at the last level."""
    body = save(answer)
    return np.frombuffer(body[-16 * DEGREE :], dtype="<u8").astype(np.uint64).reshape(2, DEGREE)


def answer_ciphertext(polynomials: NDArray[np.uint64]) -> Any:
    prefix = _ciphertext_prefix(ring().answer_level, 1, ntt=False)
    return _load(seal.Ciphertext, prefix + _array(polynomials))


def key_parts(serializable: Any, indices: Sequence[int], room: int) -> dict[int, tuple[Seeded, ...]]:
    """What `create_galois_keys` (room N) or `create_relin_keys` (room 1) made: the switching key at each index."""
    body, level = save(serializable), ring().key_level
    sample = _seeded(level, Seeded(bytes(SEED_BYTES), np.zeros((len(PRIMES), DEGREE), dtype=np.uint64)), ntt=True)
    size, offset, keys = len(sample) + _HEADER_BYTES, 40, {}
    for index in range(room):
        offset += 8
        if index in indices:
            ends = [offset + size, offset + 2 * size]
            parts = [_read_seeded(body[end - len(sample) : end], level, len(PRIMES), ntt=True) for end in ends]
            keys[index], offset = tuple(parts), ends[-1]
    if _switching_keys(keys, room) != body:
        raise RuntimeError("this SEAL writes switching keys in another layout")
    return keys


def _switching_keys(keys: Mapping[int, Sequence[Seeded]], room: int) -> bytes:
    level = ring().key_level
    chunks = [struct.pack("<4QQ", *level, room)]
    for index in range(room):
        parts = keys.get(index, ())
        chunks.append(struct.pack("<Q", len(parts)))
        chunks.extend(_nested(_seeded(level, part, ntt=True)) for part in parts)
    return b"".join(chunks)


def galois_keys(keys: Mapping[int, Sequence[Seeded]]) -> Any:
    return _load(seal.GaloisKeys, _switching_keys(keys, DEGREE))


def relinearisation_keys(key: Sequence[Seeded]) -> Any:
    return _load(seal.RelinKeys, _switching_keys({0: key}, 1))
