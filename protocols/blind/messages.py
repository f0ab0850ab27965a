"""What lender and owner exchange: terms, requests, answers, each of one size for its terms and applicants.

    request = label (24) || model (32) || applicants (4) || seed (32) || c0 of the mask key || c0 of each column group
    answer  = label (24) || model (32) || applicants (4) || of each part: c1, upper 48 bits || values, upper 32 bits

c1 of a request comes from the seed, so a sender cannot choose it. A value v, in units of 2^-20 log-odds, is v * 2^36
modulo 2^64: from -128 to 128 log-odds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.blind.ring import DEGREE, SEED_BYTES, Polynomial
from protocols.canonical import canonical, parse_canonical
from protocols.errors import EncodingError, MessageError
from protocols.lookup.fields import from_hex, integer, sized, take, version_one

UNITS = 1 << 20  # to one log-odds
SCALE_BITS = 36
LARGEST = 1 << 27  # in units: half the range
VALUE_BITS = 28
FLOOD_BITS = 14
MAX_FEATURES = 4096
MAX_PARTS = 16

_HEAD_BYTES = 24 + 32 + 4
_C1_BYTES, _C0_BYTES = 6, 4
_REQUEST, _ANSWER = "fedscore/v1/blind/ask", "fedscore/v1/blind/answer"


@dataclass(frozen=True)
class Terms:
    """What an owner publishes of a model. Raises MessageError naming the field that cannot hold."""

    model: bytes
    features: int
    parts: int
    intercept: float
    bound: int
    flood: int

    def __post_init__(self) -> None:
        sized(self.model, "terms.model", 32)
        integer(self.features, "terms.features", 1, MAX_FEATURES)
        integer(self.parts, "terms.parts", 1, min(MAX_PARTS, self.features))
        integer(self.bound, "terms.bound", 1, 1 << 16)
        integer(self.flood, "terms.flood", 0, VALUE_BITS - 4)
        if type(self.intercept) is not float or not math.isfinite(self.intercept):
            raise MessageError("terms.intercept", got=self.intercept, expected="finite log-odds")

    @property
    def bits(self) -> int:
        """What one value can tell, however the request is made: log2(q) - log2(width of the noise)."""
        return VALUE_BITS - self.flood

    def group(self, applicants: int) -> int:
        """Columns that one ciphertext holds. Raises MessageError for more applicants than fit."""
        integer(applicants, "request.applicants", 1, DEGREE)
        return min(DEGREE // applicants, self.features)

    def groups(self, applicants: int) -> int:
        """Ciphertexts of a request."""
        return -(-self.features // self.group(applicants))

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        fields = {"features": self.features, "parts": self.parts, "intercept": self.intercept}
        return canonical({"version": 1, "model": self.model.hex(), **fields, "bound": self.bound, "flood": self.flood})

    @classmethod
    def from_bytes(cls, data: bytes) -> Terms:
        """Raises MessageError for anything but what `to_bytes` gives."""
        try:
            parsed = parse_canonical(data[:1024])
        except EncodingError as error:
            raise MessageError("terms", got="no canonical JSON", expected="the terms of a model") from error
        names = ("version", "model", "features", "parts", "intercept", "bound", "flood")
        fields: dict[str, Any] = take(parsed, "terms", names)
        version_one(fields.pop("version"), "terms")
        fields["model"] = from_hex(fields["model"], "terms.model", 32)
        if type(fields["intercept"]) is int:  # canonical JSON writes 2.0 as 2
            fields["intercept"] = float(fields["intercept"])
        return cls(**fields)


@dataclass(frozen=True)
class Request:
    """`mask`: c0 of an encryption of zero, index 0 of `seed`; `columns`: uint64[groups, N], indices 1 and up."""

    applicants: int
    seed: bytes
    mask: Polynomial
    columns: NDArray[np.uint64]

    def encode(self, terms: Terms) -> bytes:
        body = np.concatenate([self.mask[None, :], self.columns]).astype("<u8").tobytes()
        return _head(_REQUEST, terms, self.applicants) + self.seed + body

    @classmethod
    def decode(cls, data: bytes, terms: Terms) -> Request:
        """Raises MessageError for another label, model, number of applicants or size, before anything is allocated."""
        applicants = _applicants(_REQUEST, data, terms)
        sized(data, "blind.request", request_bytes(terms, applicants))
        body = np.frombuffer(data, dtype="<u8", offset=_HEAD_BYTES + SEED_BYTES).astype(np.uint64).reshape(-1, DEGREE)
        return cls(applicants, data[_HEAD_BYTES : _HEAD_BYTES + SEED_BYTES], body[0], body[1:])


@dataclass(frozen=True)
class Answer:
    """A ciphertext for each part. `c1`: uint64[parts, N]; `values`: uint64[parts, applicants], what is sent of c0."""

    applicants: int
    c1: NDArray[np.uint64]
    values: NDArray[np.uint64]

    def encode(self, terms: Terms) -> bytes:
        parts = (
            _upper(c1, _C1_BYTES) + _upper(values, _C0_BYTES) for c1, values in zip(self.c1, self.values, strict=True)
        )
        return _head(_ANSWER, terms, self.applicants) + b"".join(parts)

    @classmethod
    def decode(cls, data: bytes, terms: Terms, applicants: int) -> Answer:
        """Raises MessageError unless it answers a request of `applicants` under these terms."""
        if _applicants(_ANSWER, data, terms) != applicants:
            raise MessageError("blind.answer", got="another number of applicants", expected=applicants)
        sized(data, "blind.answer", answer_bytes(terms, applicants))
        parts = np.frombuffer(data, dtype=np.uint8, offset=_HEAD_BYTES).reshape(terms.parts, -1)
        c1, values = parts[:, : DEGREE * _C1_BYTES], parts[:, DEGREE * _C1_BYTES :]
        return cls(applicants, _widened(c1, _C1_BYTES), _widened(values, _C0_BYTES))


def request_bytes(terms: Terms, applicants: int) -> int:
    """Size of a request."""
    return _HEAD_BYTES + SEED_BYTES + 8 * DEGREE * (1 + terms.groups(applicants))


def answer_bytes(terms: Terms, applicants: int) -> int:
    """Size of an answer."""
    return _HEAD_BYTES + terms.parts * (DEGREE * _C1_BYTES + _C0_BYTES * applicants)


def _head(label: str, terms: Terms, applicants: int) -> bytes:
    return label.encode().ljust(24, b"\x00") + terms.model + applicants.to_bytes(4, "little")


def _applicants(label: str, data: bytes, terms: Terms) -> int:
    name = "blind.request" if label == _REQUEST else "blind.answer"
    if len(data) < _HEAD_BYTES:
        raise MessageError(name, got=f"{len(data)} bytes", expected=f"at least {_HEAD_BYTES}")
    applicants = int.from_bytes(data[_HEAD_BYTES - 4 : _HEAD_BYTES], "little")
    integer(applicants, f"{name}.applicants", 1, DEGREE)
    if data[:_HEAD_BYTES] != _head(label, terms, applicants):
        raise MessageError(name, got="another label or model", expected=label)
    return applicants


def _upper(values: NDArray[np.uint64], kept: int) -> bytes:
    return np.ascontiguousarray(values, dtype="<u8").view(np.uint8).reshape(-1, 8)[:, 8 - kept :].tobytes()


def _widened(data: NDArray[np.uint8], kept: int) -> NDArray[np.uint64]:
    """Of each row; the middle of what the dropped bits may have been."""
    words = np.zeros((len(data), data.shape[1] // kept, 8), dtype=np.uint8)
    words[:, :, 8 - kept :] = data.reshape(len(data), -1, kept)
    return words.view("<u8").astype(np.uint64, copy=False)[:, :, 0] + np.uint64(1 << 63 - 8 * kept)
