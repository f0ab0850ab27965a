"""The BFV engine reads every row, does the same work for each, and answers the same bytes wherever it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bfv_world import ENGINE, SLOTS, Counting, client, table
from engine_world import EPOCH
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import MessageError, StageError
from protocols.lookup.engines.base import Geometry
from protocols.lookup.engines.bfv.parameters import MAX_ROWS, Shape
from protocols.lookup.rows import Rows


@pytest.mark.parametrize(
    ("rows", "asked"),
    [(1, [0]), (2, [0, 1]), (7, range(7)), (40, [0, 7, 8, 11, 12, 13, 26, 31, 38, 39])],
)
def test_reads_the_row_asked_for(rows: int, asked: list[int]) -> None:
    held = table(rows, seed=rows)
    prepared, querier = ENGINE.prepare(held, EPOCH), client(rows)
    for row in asked:
        pending, query = querier.query(row)
        [answer] = prepared.answer([query], querier.keys)
        assert pending.noise_budget(answer) >= 8
        values, signatures = pending.open(answer)
        assert values.dtype == np.uint32
        assert np.array_equal(values, held.values[row])
        assert signatures == held.signatures[row].tobytes()


@given(st.integers(1, MAX_ROWS))
def test_every_shape_holds_its_rows_and_no_empty_block(rows: int) -> None:
    shape = Shape.of(rows)
    assert (shape.blocks - 1) * shape.columns < rows <= shape.columns * shape.blocks
    assert 1 << shape.levels - 1 < shape.selections <= 1 << shape.levels


def test_a_million_subjects_take_985_rows_and_seven_levels() -> None:
    geometry = ENGINE.geometry(1_000_000, quorum=2)
    assert geometry == Geometry(rows=985, slots=SLOTS, quorum=2)
    assert Shape.of(985).levels == 7


def test_several_queries_are_answered_in_order() -> None:
    held, querier = table(3), client(3)
    asked = [querier.query(row) for row in (2, 0, 2)]
    answers = ENGINE.prepare(held, EPOCH).answer([query for _, query in asked], querier.keys)
    for (pending, _), answer, row in zip(asked, answers, (2, 0, 2), strict=True):
        assert np.array_equal(pending.open(answer)[0], held.values[row])


def test_messages_have_one_size_and_never_repeat() -> None:
    prepared, querier = ENGINE.prepare(table(3), EPOCH), client(3)
    queries = [querier.query(row)[1] for row in (0, 0, 2)]
    answers = prepared.answer(queries, querier.keys)
    assert len(set(queries)) == len(set(answers)) == 3
    assert {len(query) for query in queries} == {123_000}
    assert {len(answer) for answer in answers} == {73_784}
    assert len(client(3).keys) == len(querier.keys) == 56 + 3 * 368_768


def test_another_process_answers_the_same_bytes(tmp_path: Path) -> None:
    querier = client(3)
    _, query = querier.query(1)
    [answer] = ENGINE.prepare(table(3), EPOCH).answer([query], querier.keys)
    (tmp_path / "keys").write_bytes(querier.keys)
    (tmp_path / "query").write_bytes(query)
    program = (
        "import sys, pathlib; sys.path[:0] = sys.argv[2:]; folder = pathlib.Path(sys.argv[1]);"
        "from bfv_world import ENGINE, EPOCH, table;"
        "[answer] = ENGINE.prepare(table(3), EPOCH).answer("
        "[(folder / 'query').read_bytes()], (folder / 'keys').read_bytes());"
        "(folder / 'answer').write_bytes(answer)"
    )
    here = Path(__file__).resolve()
    subprocess.run([sys.executable, "-c", program, tmp_path, here.parents[4], here.parent], check=True)
    assert (tmp_path / "answer").read_bytes() == answer


def test_work_depends_on_the_table_and_not_on_the_row() -> None:
    def work(rows: int, row: int) -> list[str]:
        prepared: Any = ENGINE.prepare(table(rows), EPOCH)
        querier = client(rows)
        prepared._evaluator = counting = Counting(prepared._evaluator)
        prepared.answer([querier.query(row)[1]], querier.keys)
        return counting.names

    assert work(7, 0) == work(7, 3) == work(7, 6)
    assert work(7, 0).count("multiply_plain") == 7
    assert work(14, 0).count("multiply_plain") == 14
    assert len(work(14, 0)) > len(work(7, 0))


@pytest.mark.parametrize("operation", ["apply_galois", "multiply_plain", "multiply_inplace", "relinearize_inplace"])
def test_without_the_homomorphic_operation_there_is_no_answer(operation: str) -> None:
    prepared: Any = ENGINE.prepare(table(2), EPOCH)
    querier = client(2)

    class Broken:
        def __getattr__(self, name: str) -> Any:
            if name == operation:
                raise ArithmeticError(name)
            return getattr(evaluator, name)

    evaluator, prepared._evaluator = prepared._evaluator, Broken()
    with pytest.raises(ArithmeticError, match=operation):
        prepared.answer([querier.query(0)[1]], querier.keys)


def test_a_saved_client_goes_on_with_the_registered_keys() -> None:
    held, first = table(3), client(3)
    prepared = ENGINE.prepare(held, EPOCH)
    restored = client(3, saved=first.save())
    assert restored.keys == first.keys
    pending, query = restored.query(2)
    assert np.array_equal(pending.open(prepared.answer([query], first.keys)[0])[0], held.values[2])
    assert client(3).keys != first.keys


def test_a_saved_state_serves_its_epoch_and_shape_only() -> None:
    saved = client(3).save()
    with pytest.raises(MessageError, match=r"bfv\.saved"):
        client(3, epoch_id=bytes(32), saved=saved)
    with pytest.raises(MessageError, match=r"bfv\.saved"):
        client(40, saved=saved)


def test_an_answer_opens_once() -> None:
    querier = client(1)
    pending, query = querier.query(0)
    [answer] = ENGINE.prepare(table(1), EPOCH).answer([query], querier.keys)
    with pytest.raises(MessageError, match="answer"):
        pending.open(answer[:-1])
    pending.open(answer)
    with pytest.raises(StageError):
        pending.open(answer)


@pytest.mark.parametrize("row", [-1, 3, 4096])
def test_a_row_outside_the_table_is_refused_without_being_shown(row: int) -> None:
    with pytest.raises(MessageError, match="row") as refusal:
        client(3).query(row)
    assert str(row) not in str(refusal.value)


def _replaced(values: Any = None, signatures: Any = None) -> Rows:
    held = table(2)
    return Rows(
        values=held.values if values is None else values(held.values.copy()),
        signatures=held.signatures if signatures is None else signatures(held.signatures.copy()),
    )


def test_rows_that_cannot_be_answered_from_are_refused() -> None:
    def zeros(array: Any) -> Any:
        array[1] = 0
        return array

    for rows in (_replaced(zeros, zeros), _replaced(lambda values: values[:, :-1])):
        with pytest.raises(MessageError, match=r"rows\["):
            ENGINE.prepare(rows, EPOCH)


def test_geometry_and_hint_of_another_engine_are_refused() -> None:
    with pytest.raises(MessageError, match="slots"):
        ENGINE.client(Geometry(3, 62, 2), EPOCH, b"", bytes)
    with pytest.raises(MessageError, match="hint"):
        ENGINE.client(Geometry(3, SLOTS, 2), EPOCH, b"hint", bytes)
    with pytest.raises(MessageError, match="rows"):
        ENGINE.client(Geometry(MAX_ROWS + 1, SLOTS, 2), EPOCH, b"", bytes)
    for subjects, quorum in ((0, 2), (10, 0), (10, 256)):
        with pytest.raises(MessageError):
            ENGINE.geometry(subjects, quorum)
