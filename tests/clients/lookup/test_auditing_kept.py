"""What an auditor summed and signed serves its second step, as long as it is the sum of what is logged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clients.institution.lookup import auditing
from clients.institution.lookup.folders import EpochFolder
from protocols.lookup.rows import sign_rows
from protocols.signing import SigningKey

KEY, EPOCH = SigningKey.from_seed(bytes(32)), b"e" * 32
DIGESTS = {"bank-a": b"a" * 32, "bank-b": b"b" * 32}
VALUES = np.arange(48, dtype=np.uint32).reshape(3, 2, 8)


@pytest.fixture
def part(tmp_path: Path) -> Any:
    logged = {name: {"digest": digest.hex()} for name, digest in DIGESTS.items()}
    return SimpleNamespace(
        folder=EpochFolder(tmp_path),
        context=SimpleNamespace(
            institutions=tuple(DIGESTS), signed=SimpleNamespace(epoch=SimpleNamespace(auditors=("bank-a",)))
        ),
        record=SimpleNamespace(bodies=lambda kind: logged),
        logged=logged,
    )


def test_a_sum_is_kept_with_the_digests_of_its_tables(part: Any) -> None:
    assert auditing._kept(part) is None
    signatures = sign_rows(KEY, EPOCH, VALUES)
    auditing._keep(part, auditing.KeptSum(VALUES, DIGESTS, signatures), signatures)
    kept = auditing._kept(part)
    assert kept is not None
    assert np.array_equal(kept.values, VALUES)
    assert kept.digests == DIGESTS
    assert np.array_equal(auditing.audited_rows(part).signatures, signatures)


def test_another_table_than_was_summed_is_summed_anew(part: Any) -> None:
    signatures = sign_rows(KEY, EPOCH, VALUES)
    auditing._keep(part, auditing.KeptSum(VALUES, DIGESTS, signatures), signatures)
    part.logged["bank-b"] = {"digest": "cc" * 32}
    assert auditing._kept(part) is None


@pytest.mark.parametrize("flip", range(0, 3000, 173))
def test_a_file_that_changed_on_disk_is_made_again_and_speaks_against_nobody(
    part: Any, monkeypatch: pytest.MonkeyPatch, flip: int
) -> None:
    """Read as it is, a flipped bit breaks the step for good, or makes an answer of the pool look wrong."""
    signatures = sign_rows(KEY, EPOCH, VALUES)
    auditing._keep(part, auditing.KeptSum(VALUES, DIGESTS, signatures), signatures)
    file = part.folder.file(auditing.ROWS_FILE)
    data = bytearray(file.read_bytes())
    data[flip % len(data)] ^= 1
    file.write_bytes(data)
    assert auditing._kept(part) is None
    monkeypatch.setattr(auditing, "recomputed", lambda part: auditing.KeptSum(VALUES, DIGESTS, signatures))
    monkeypatch.setattr(auditing, "_signatures", lambda part, auditor: signatures)
    again = auditing.audited_rows(part)
    again.verify(EPOCH, {"bank-a": KEY.public})
    assert np.array_equal(again.values, VALUES)
