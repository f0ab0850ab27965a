"""The side of the pool and of the auditors: prepare the table once, answer queries.

Everything here is deterministic: SEAL's evaluation draws no randomness, so an auditor with the same rows recomputes the
very bytes of an answer. SEAL holds the interpreter's lock: parallel answers need processes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tenseal.sealapi as seal

from protocols.errors import MessageError
from protocols.lookup.engines.base import check_epoch_id
from protocols.lookup.engines.bfv import messages, serial
from protocols.lookup.engines.bfv.expansion import expand, galois_elements, galois_index, monomials_of
from protocols.lookup.engines.bfv.packing import row_polynomial, shorten
from protocols.lookup.engines.bfv.parameters import Shape, ring

if TYPE_CHECKING:
    from protocols.lookup.rows import Rows

KEYS_KEPT = 8  # queriers whose expanded keys (6 MB each) stay in memory; others are read again


class BfvPrepared:
    """The table of one epoch in NTT form: 131 KB a row, 129 MB for 985 rows (a million subjects)."""

    hint = b""

    def __init__(self, rows: Rows, epoch_id: bytes) -> None:
        """Raises MessageError for rows that do not fill the ring, or a row of zeros only."""
        self._epoch_id = check_epoch_id(epoch_id)
        self._shape = Shape.of(len(rows.values))
        self._evaluator = seal.Evaluator(ring().context)
        self._monomials = monomials_of(self._shape.levels)
        self._keys: OrderedDict[bytes, tuple[Any, Any]] = OrderedDict()
        self._rows = []
        for index, (values, signatures) in enumerate(zip(rows.values, rows.signatures, strict=True)):
            row = serial.plaintext(row_polynomial(values, signatures, f"rows[{index}]"))
            self._evaluator.transform_to_ntt_inplace(row, ring().data_level)
            self._rows.append(row)

    def answer(self, queries: Sequence[bytes], keys: bytes | None) -> list[bytes]:
        """One answer per query of the querier with these keys. Raises MessageError for bytes that are not in order."""
        if keys is None:
            raise MessageError("bfv.keys", got="none", expected="the querier's evaluation keys")
        checked = [messages.read_query(messages.QUERY.payload(self._epoch_id, query)) for query in queries]
        galois, relinearisation = self._switching_keys(keys)
        answers = (self._scan(serial.query_ciphertext(query), galois, relinearisation) for query in checked)
        return [messages.ANSWER.frame(self._epoch_id, shorten(serial.answer_polynomials(answer))) for answer in answers]

    def _switching_keys(self, data: bytes) -> tuple[Any, Any]:
        levels = self._shape.levels
        payload = messages.keys_kind(levels).payload(self._epoch_id, data)
        name = hashlib.sha256(payload).digest()
        if name not in self._keys:
            *galois, last = messages.read_keys(payload)
            indices = [galois_index(element) for element in galois_elements(levels)]
            by_index = dict(zip(indices, galois, strict=True))
            self._keys[name] = serial.galois_keys(by_index), serial.relinearisation_keys(last)
            if len(self._keys) > KEYS_KEPT:
                self._keys.popitem(last=False)
        self._keys.move_to_end(name)
        return self._keys[name]

    def _scan(self, query: Any, galois: Any, relinearisation: Any) -> Any:
        evaluator, columns = self._evaluator, self._shape.columns
        # 1. One ciphertext a column and one a block; the columns in NTT form, as the rows are.
        selections = expand(evaluator, query, self._shape.selections, galois, self._monomials)
        for selection in selections[:columns]:
            evaluator.transform_to_ntt_inplace(selection)
        # 2. In every block the row of the chosen column, times the block's own selection.
        chosen = self._choose(selections[:columns])
        for total, selection in zip(chosen, selections[columns:], strict=True):
            evaluator.transform_from_ntt_inplace(total)
            evaluator.multiply_inplace(total, selection)
        answer, *others = chosen
        for other in others:
            evaluator.add_inplace(answer, other)
        # 3. Three polynomials back to two, and down to one prime.
        evaluator.relinearize_inplace(answer, relinearisation)
        evaluator.mod_switch_to_next_inplace(answer)
        return answer

    def _choose(self, selections: Sequence[Any]) -> list[Any]:
        """For each block the sum of its rows times their columns' selections. Every row is multiplied once."""
        evaluator, columns, term = self._evaluator, self._shape.columns, seal.Ciphertext()
        totals = [seal.Ciphertext() for _ in range(self._shape.blocks)]
        for column, selection in enumerate(selections):  # column by column: its selection stays in the cache
            rows = self._rows[column::columns]
            for total, row in zip(totals, rows, strict=False):  # the last block may end before this column
                if column:
                    evaluator.multiply_plain(selection, row, term)
                    evaluator.add_inplace(total, term)
                else:
                    evaluator.multiply_plain(selection, row, total)
        return totals
