"""What an auditor summed and signed serves its second step, as long as it is the sum of what is logged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clients.institution.lookup import auditing
from clients.institution.lookup.folders import EpochFolder
from protocols.errors import SignatureError
from protocols.lookup.rows import Rows, join_signatures, sign_rows
from protocols.signing import SigningKey

KEY, EPOCH = SigningKey.from_seed(bytes(32)), b"e" * 32
DIGESTS = {"bank-a": b"a" * 32, "bank-b": b"b" * 32}
VALUES = np.arange(48, dtype=np.uint32).reshape(3, 2, 8)


@pytest.fixture
def part(tmp_path: Path) -> Any:
    logged = {name: {"digest": digest.hex()} for name, digest in DIGESTS.items()}
    return SimpleNamespace(
        folder=EpochFolder(tmp_path),
        context=SimpleNamespace(institutions=tuple(DIGESTS)),
        record=SimpleNamespace(bodies=lambda kind: logged),
        logged=logged,
    )


def test_a_sum_is_kept_with_the_digests_of_its_tables(part: Any) -> None:
    assert auditing._kept(part) is None
    signatures = sign_rows(KEY, EPOCH, VALUES)
    auditing._keep(part, auditing.KeptSum(VALUES, DIGESTS), signatures)
    kept = auditing._kept(part)
    assert kept is not None
    assert np.array_equal(kept.values, VALUES)
    assert kept.digests == DIGESTS
    assert np.array_equal(auditing.audited_rows(part).signatures, signatures)


def test_another_table_than_was_summed_is_summed_anew(part: Any) -> None:
    auditing._keep(part, auditing.KeptSum(VALUES, DIGESTS), sign_rows(KEY, EPOCH, VALUES))
    part.logged["bank-b"] = {"digest": "cc" * 32}
    assert auditing._kept(part) is None


def test_a_sum_that_changed_on_disk_does_not_fit_the_signatures_that_were_handed_over(part: Any) -> None:
    signatures = sign_rows(KEY, EPOCH, VALUES)
    damaged = VALUES.copy()
    damaged[1, 0, 3] += 1
    auditing._keep(part, auditing.KeptSum(damaged, DIGESTS), signatures)
    kept = auditing._kept(part)
    assert kept is not None
    with pytest.raises(SignatureError):
        Rows(kept.values, join_signatures({"bank-a": signatures}, ("bank-a",))).verify(EPOCH, {"bank-a": KEY.public})
