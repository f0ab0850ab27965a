"""Rows of the sum table and the auditors' signatures on them.

The signatures ride in the row, so one private read fetches both: a changed bit is caught, and that a subject is absent
is as sure as what stands in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.canonical import digest
from protocols.errors import MessageError, SignatureError
from protocols.lookup.packing import pack
from protocols.lookup.parameters import COEFFICIENTS, MODULUS
from protocols.signing import SigningKey, VerifyingKey

LABEL = "fedscore/v1/lookup/row"
SIGNATURES_LABEL = "fedscore/v1/lookup/row-signatures"
SIGNATURE_BYTES = 64


@dataclass(frozen=True)
class Rows:
    """What an engine serves: values uint32[R, S, 8] below t, signatures uint8[R, quorum * 64] in auditors' order."""

    values: NDArray[np.uint32]
    signatures: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shape = self.values.shape
        if self.values.dtype != np.uint32 or len(shape) != 3 or shape[2] != COEFFICIENTS or not self.values.size:
            raise MessageError(
                "rows.values", got=f"{self.values.dtype}{list(shape)}", expected="uint32[rows, slots, 8]"
            )
        signed = self.signatures.shape
        if self.signatures.dtype != np.uint8 or len(signed) != 2 or signed[0] != shape[0]:
            got = f"{self.signatures.dtype}{list(signed)}"
            raise MessageError("rows.signatures", got=got, expected=f"uint8[{shape[0]}, quorum * 64]")
        if not signed[1] or signed[1] % SIGNATURE_BYTES:
            raise MessageError("rows.signatures", got=f"{signed[1]} bytes a row", expected="64 for every auditor")
        if int(self.values.max()) >= MODULUS:
            raise MessageError("rows.values", got="a coefficient out of range", expected=f"below {MODULUS}")

    @property
    def quorum(self) -> int:
        return int(self.signatures.shape[1]) // SIGNATURE_BYTES

    def verify(self, epoch_id: bytes, auditors: Mapping[str, VerifyingKey], first_row: int = 0) -> None:
        """Raises SignatureError naming the first auditor and row (counted from `first_row`) whose signature does not
        hold. 110 us a signature."""
        for place, (auditor, key) in enumerate(auditors.items()):
            column = self.signatures[:, place * SIGNATURE_BYTES : (place + 1) * SIGNATURE_BYTES]
            for row, (values, signature) in enumerate(zip(self.values, column, strict=True), first_row):
                _verify(key, _payload(epoch_id, row, values), signature.tobytes(), f"row {row} by {auditor}")
        if self.quorum != len(auditors):
            raise SignatureError("rows.signatures", got=f"{self.quorum} a row", expected=f"{len(auditors)}")


def sign_rows(key: SigningKey, epoch_id: bytes, values: NDArray[np.uint32], first_row: int = 0) -> NDArray[np.uint8]:
    """uint8[R, 64]: one auditor's signatures on rows first_row ...; it signs rows it summed up itself."""
    signatures = [key.sign(LABEL, _payload(epoch_id, first_row + row, values[row])) for row in range(len(values))]
    return np.frombuffer(b"".join(signatures), dtype=np.uint8).reshape(-1, SIGNATURE_BYTES)


def join_signatures(signatures: Mapping[str, NDArray[np.uint8]], auditors: Sequence[str]) -> NDArray[np.uint8]:
    """uint8[R, quorum * 64] in the order of the epoch's auditors. Raises SignatureError naming one that is missing."""
    for auditor in auditors:
        if auditor not in signatures:
            raise SignatureError(f"row signatures of {auditor}", got="none", expected="one for every row")
    return np.concatenate([signatures[auditor] for auditor in auditors], axis=1)


def verify_row(
    epoch_id: bytes, row: int, values: NDArray[np.uint32], signatures: bytes, auditor_keys: Sequence[VerifyingKey]
) -> None:
    """A querier's check of what it fetched: uint32[S, 8] and quorum * 64 bytes, keys in the epoch's order.

    Raises SignatureError unless every auditor signed these values for this row of this epoch. The error does not say
    which row was asked for, and the caller must not react to it in a way that the pool sees. All signatures are
    verified whatever fails: how long it takes does not tell either.
    """
    if len(signatures) != SIGNATURE_BYTES * len(auditor_keys) or not auditor_keys:
        raise SignatureError("row", got=f"{len(signatures)} bytes of signatures", expected="64 for every auditor")
    failures = []
    if int(values.max()) >= MODULUS:
        failures.append(SignatureError("row", got="a coefficient out of range", expected=f"below {MODULUS}"))
    payload = _payload(epoch_id, row, values % MODULUS)
    for place, key in enumerate(auditor_keys):
        try:
            _verify(key, payload, signatures[place * SIGNATURE_BYTES : (place + 1) * SIGNATURE_BYTES], "row")
        except SignatureError as error:
            failures.append(error)
    if failures:
        raise failures[0]


def signatures_digest(epoch_id: bytes, signatures: NDArray[np.uint8]) -> bytes:
    """32 bytes over all row signatures: part of the opening, for they are part of what the pool scans."""
    return digest(SIGNATURES_LABEL, epoch_id + np.ascontiguousarray(signatures).tobytes())


def _payload(epoch_id: bytes, row: int, values: NDArray[np.uint32]) -> bytes:
    return epoch_id + row.to_bytes(8, "big") + hashlib.sha256(pack(values)).digest()


def _verify(key: VerifyingKey, payload: bytes, signature: bytes, where: str) -> None:
    try:
        key.verify(LABEL, payload, signature)
    except SignatureError as error:
        raise SignatureError(where, got=error.got, expected=error.expected) from error
