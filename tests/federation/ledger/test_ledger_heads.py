"""A ledger that went back behind what was logged of it: only a memory from outside shows it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_samples import answer, memory_ledger, open_ledger, release
from postgres import Postgres, programs
from sqlalchemy import make_url

from federation.errors import LedgerError
from federation.ledger import Head, behind


def test_the_entries_after_a_number_and_where_the_ledger_ends() -> None:
    ledger = memory_ledger()
    assert ledger.tip == Head(0, ledger.head)
    for round in (1, 2):
        answer(ledger, release(round))
    assert [signed.entry.sequence for signed in ledger.entries(2)] == [3, 4]
    assert ledger.entries(4) == ()
    assert ledger.tip == Head(4, ledger.entries()[-1].hash)


def test_a_ledger_is_not_behind_any_entry_of_its_own() -> None:
    ledger = memory_ledger()
    assert ledger.behind(None) is None
    answer(ledger, release(1))
    for signed in ledger.entries():
        assert ledger.behind(Head(signed.entry.sequence, signed.hash)) is None
    assert ledger.behind(Head(2, "0" * 64)) == "entry 2 is not the one that was logged"
    assert ledger.behind(Head(3, "0" * 64)) == "the ledger ends with entry 2, and entry 3 was logged"


def tool(server: Postgres, name: str, *arguments: str) -> None:
    found = programs()
    assert found is not None
    subprocess.run([found / name, "-h", server.folder, "-U", "fedscore", *arguments], check=True, capture_output=True)


def back_up(url: str, server: Postgres, folder: Path) -> None:
    database = str(make_url(url).database)
    if url.startswith("sqlite"):
        shutil.copy(database, f"{database}.backup")
    else:
        tool(server, "pg_dump", "-Fc", "-f", str(folder / "backup"), database)


def restore(url: str, server: Postgres, folder: Path) -> None:
    file = Path(str(make_url(url).database))
    if url.startswith("sqlite"):
        for left in file.parent.glob(f"{file.name}-*"):  # the write-ahead log of what is replaced
            left.unlink()
        shutil.copy(f"{file}.backup", file)
    else:
        tool(server, "pg_restore", "--clean", "-d", file.name, str(folder / "backup"))


def test_an_old_backup_gives_a_budget_back_and_is_noticed(
    database_url: str, postgres: Postgres, tmp_path: Path
) -> None:
    """The attack: the restored ledger verifies and spends again. Compared with what was logged, it does not pass."""
    ledger = open_ledger(database_url)
    answer(ledger, release(1, cost=4))
    ledger.close()
    back_up(database_url, postgres, tmp_path)

    ledger = open_ledger(database_url)
    answer(ledger, release(2, cost=5))
    included = ledger.tip
    assert ledger.claims("run", "run-1").remaining == 1
    ledger.close()
    restore(database_url, postgres, tmp_path)

    again = open_ledger(database_url)
    again.verify(recompute=True)
    assert again.claims("run", "run-1").remaining == 6  # the check is off: five are there to spend a second time
    assert again.behind(included) == "the ledger ends with entry 2, and entry 4 was logged"
    for round in (3, 4):
        answer(again, release(round))
    again.verify(recompute=True)
    assert again.tip.sequence > included.sequence  # longer than what was logged, and still another
    assert again.behind(included) == "entry 4 is not the one that was logged"
    again.close()


HASHES = st.sampled_from(["a" * 64, "b" * 64])


@given(st.integers(0, 4), HASHES, st.integers(0, 4), HASHES, st.none() | HASHES)
def test_only_a_ledger_that_has_the_included_entry_passes(
    length: int, last: str, sequence: int, hash: str, own: str | None
) -> None:
    said = behind(Head(length, last), Head(sequence, hash), own)
    assert (said is None) == (length >= sequence and own == hash)


@pytest.mark.parametrize(("sequence", "hash"), [(-1, "a" * 64), (1, "a" * 63), (1, "A" * 64)])
def test_a_head_is_a_number_and_a_hash(sequence: int, hash: str) -> None:
    with pytest.raises(LedgerError, match="head"):
        Head(sequence, hash)
