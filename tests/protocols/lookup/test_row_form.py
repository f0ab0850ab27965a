"""What a row and its signatures look like: another form of the same values would be a second row, signed as well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocols.errors import MessageError, SignatureError
from protocols.lookup.parameters import MODULUS
from protocols.lookup.rows import Rows, join_signatures, sign_rows, signatures_digest, verify_row
from protocols.signing import SigningKey

EPOCH = b"e" * 32
KEYS = {name: SigningKey.from_seed(name.encode() * 32) for name in "ab"}
PUBLICS = {name: key.public for name, key in KEYS.items()}
VALUES = np.zeros((3, 2, 8), dtype=np.uint32)
SIGNATURES = join_signatures({name: sign_rows(key, EPOCH, VALUES) for name, key in KEYS.items()}, "ab")


@pytest.mark.parametrize(
    ("values", "signatures", "field"),
    [
        (VALUES.astype(np.int64), SIGNATURES, "values"),
        (VALUES[0], SIGNATURES, "values"),
        (VALUES[..., :7], SIGNATURES, "values"),
        (VALUES[:, :0], SIGNATURES, "values"),
        (VALUES + np.uint32(MODULUS), SIGNATURES, "values"),
        (VALUES, SIGNATURES.astype(np.int8), "signatures"),
        (VALUES, SIGNATURES.reshape(-1), "signatures"),
        (VALUES, SIGNATURES[:2], "signatures"),
        (VALUES, SIGNATURES[:, :0], "signatures"),
        (VALUES, SIGNATURES[:, :100], "signatures"),
    ],
)
def test_what_an_engine_serves_has_one_shape(values: Any, signatures: Any, field: str) -> None:
    with pytest.raises(MessageError, match=rf"rows\.{field}"):
        Rows(values, signatures)


def test_every_auditor_and_no_other_signed_a_row() -> None:
    rows = Rows(VALUES, SIGNATURES)
    rows.verify(EPOCH, PUBLICS)
    with pytest.raises(SignatureError, match=r"rows\.signatures: got 2 a row, expected 1"):
        rows.verify(EPOCH, {"a": PUBLICS["a"]})


def test_a_querier_takes_one_form_of_a_row() -> None:
    """t for zero is the same residue, and bytes behind the last signature are signed by nobody."""
    own, signed = list(PUBLICS.values()), SIGNATURES[0].tobytes()
    verify_row(EPOCH, 0, VALUES[0], signed, own)
    other = VALUES[0].copy()
    other[1, 3] = MODULUS
    with pytest.raises(SignatureError, match="row: got a coefficient out of range"):
        verify_row(EPOCH, 0, other, signed, own)
    for wrong, keys in ((signed + b"\0", own), (signed[:-1], own), (signed, own[:1]), (b"", [])):
        with pytest.raises(SignatureError, match="bytes of signatures, expected 64 for every auditor"):
            verify_row(EPOCH, 0, VALUES[0], wrong, keys)


def test_the_opening_names_these_signatures_of_this_epoch() -> None:
    """They are scanned with the rows: with others of its own the pool would mark a row."""
    named = signatures_digest(EPOCH, SIGNATURES)
    assert signatures_digest(EPOCH, SIGNATURES[::-1]) != named
    assert signatures_digest(bytes(32), SIGNATURES) != named
