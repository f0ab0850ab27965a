from __future__ import annotations

import doctest
from types import ModuleType

import pytest

import federation.ledger.budget
import federation.ledger.charges
import federation.ledger.heads
import federation.ledger.ledger
import federation.runtime.database
import federation.runtime.logging

MODULES = [
    federation.ledger.budget,
    federation.ledger.charges,
    federation.ledger.heads,
    federation.ledger.ledger,
    federation.runtime.database,
    federation.runtime.logging,
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_run(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
