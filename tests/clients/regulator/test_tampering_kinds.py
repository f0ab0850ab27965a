"""Every kind of tampering fails at its step, which names the first entry at fault; what is honest passes.

What notices each, and that nothing else would, is in the tests of tampered files, logs, ledgers, rounds and replays.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from oversight_federation import honest
from oversight_replays import replayed
from tampering import FILES, KINDS, judged

from clients.regulator.verify import verify


@pytest.mark.parametrize("name", KINDS)
def test_the_first_finding_names_step_and_entry(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    step, where, index, failed = judged(kind, tmp_path)
    assert (step, index) == (kind.step, kind.index)
    assert where.startswith(kind.where)
    assert min(failed) == step


def test_every_file_of_an_export_is_among_them(tmp_path: Path) -> None:
    import zipfile

    path = honest().export(tmp_path / "export.zip")
    assert sorted(FILES) == sorted(zipfile.ZipFile(path).namelist())
    assert len(KINDS) - len(FILES) >= 30


def test_the_honest_exports_that_were_tampered_with_pass(tmp_path: Path) -> None:
    for world in (honest(), replayed().world()):
        assert verify(world.export(tmp_path / "export.zip"), world.policy()).holds
