"""The querier's side: one secret key an epoch, a fresh ciphertext a query.

SEAL draws the secret key, the noise and the seeds from its own generator (BLAKE2Xb, seeded anew for each ciphertext
from C++'s `std::random_device`): the `random` of the engine interface is not used. The secret leaves this object
through `save` only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import tenseal.sealapi as seal

from protocols.errors import StageError
from protocols.lookup.engines.base import Geometry, check_epoch_id, check_row
from protocols.lookup.engines.bfv import messages, serial
from protocols.lookup.engines.bfv.expansion import galois_elements, galois_index, weight
from protocols.lookup.engines.bfv.packing import lengthen, pack_residues, row_parts, unpack_residues
from protocols.lookup.engines.bfv.parameters import DEGREE, PRIMES, Shape, ring


class BfvClient:
    """Queries for one table in one epoch; `keys` is what the pool needs beside them."""

    def __init__(self, geometry: Geometry, epoch_id: bytes, saved: bytes | None = None) -> None:
        """Raises MessageError for a saved state of another epoch or shape."""
        self._geometry, self._epoch_id = geometry, check_epoch_id(epoch_id)
        self._shape = Shape.of(geometry.rows)
        if saved is None:
            generator = seal.KeyGenerator(ring().context)
            self._secret = generator.secret_key()
            self._keys = self._public_keys(generator)
        else:
            state = messages.saved_kind(self._shape.levels).payload(self._epoch_id, saved)
            residues = unpack_residues(state[: messages.SECRET_BYTES], PRIMES, "bfv.saved")
            self._secret = serial.secret_key(residues)
            self._keys = state[messages.SECRET_BYTES :]
            messages.keys_kind(self._shape.levels).payload(self._epoch_id, self._keys)
        self._encryptor = seal.Encryptor(ring().context, self._secret)

    @property
    def keys(self) -> bytes:
        """The Galois and relinearisation keys; the same bytes for the life of the saved state."""
        return self._keys

    def save(self) -> bytes:
        """The secret key and the keys that go with it. Secret: whoever has it reads which rows were asked for."""
        secret = pack_residues(serial.secret_residues(self._secret))
        return messages.saved_kind(self._shape.levels).frame(self._epoch_id, secret + self._keys)

    def prepare(self, queries: int) -> None:
        """Nothing: a query takes some milliseconds."""

    def query(self, row: int) -> tuple[BfvPending, bytes]:
        """A fresh encryption of the selection of `row`. Raises MessageError for a row outside the table."""
        check_row(row, self._geometry)
        shape = self._shape
        coefficients = np.zeros(DEGREE, dtype=np.uint64)
        for index in (row % shape.columns, shape.columns + row // shape.columns):
            coefficients[index] = weight(index, shape.selections)
        fresh = serial.query_parts(self._encryptor.encrypt_symmetric(serial.plaintext(coefficients)))
        message = messages.QUERY.frame(self._epoch_id, messages.query_payload(fresh))
        return BfvPending(self._secret, self._geometry, self._epoch_id), message

    def _public_keys(self, generator: Any) -> bytes:
        elements = galois_elements(self._shape.levels)
        indices = [galois_index(element) for element in elements]
        galois = serial.key_parts(generator.create_galois_keys(elements), indices, DEGREE)
        relinearisation = serial.key_parts(generator.create_relin_keys(), [0], 1)
        keys = [galois[index] for index in indices] + [relinearisation[0]]
        return messages.keys_kind(self._shape.levels).frame(self._epoch_id, messages.keys_payload(keys))


class BfvPending:
    """A query under way."""

    def __init__(self, secret: Any, geometry: Geometry, epoch_id: bytes) -> None:
        self._decryptor = seal.Decryptor(ring().context, secret)
        self._geometry, self._epoch_id = geometry, epoch_id
        self._opened = False

    def open(self, answer: bytes) -> tuple[npt.NDArray[np.uint32], bytes]:
        """The row's values, uint32[slots, 8], and its signatures; noise decrypts to values like any other, so verify.

        Raises MessageError for an answer of another size, kind or epoch, StageError when opened before.
        """
        if self._opened:
            raise StageError("bfv.answer", got="a second answer", expected="one answer a query")
        ciphertext = self._ciphertext(answer)
        self._opened = True
        opened = seal.Plaintext()
        self._decryptor.decrypt(ciphertext, opened)
        return row_parts(serial.plaintext_coefficients(opened), self._geometry.quorum)

    def noise_budget(self, answer: bytes) -> int:
        """Bits between the noise of an answer and the noise that would corrupt it (SEAL's invariant noise budget)."""
        return int(self._decryptor.invariant_noise_budget(self._ciphertext(answer)))

    def _ciphertext(self, answer: bytes) -> Any:
        return serial.answer_ciphertext(lengthen(messages.ANSWER.payload(self._epoch_id, answer)))
