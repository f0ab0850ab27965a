"""The examples in the docstrings hold."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from protocols.transparency import cosignature, entry, merkle, note, promise, quorum, statement, tile


@pytest.mark.parametrize(
    "module", [cosignature, entry, merkle, note, promise, quorum, statement, tile], ids=lambda module: module.__name__
)
def test_examples(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
