"""A person finds out who inquired about her: the log over HTTP, both holders in processes, her wallet's own command."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from inquiries_world import World, world
from wallets import PURPOSE

from federation.inquiries.inquirers import SignedInquirers

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("inquiries")) as made:
        yield made


def test_exactly_the_inquiries_about_her_are_found_in_a_log_of_many(at: World) -> None:
    serial = at.persons.consent("Mary", "bank-a").serial
    hers = [at.inquire("Mary", "bank-a", serial=serial)]
    for number in range(40):
        at.inquire(f"somebody {number}", f"bank-{'abc'[number % 3]}")
    hers.append(at.inquire("Mary", "bank-c"))
    at.seal()
    told = at.look_up("Mary")
    found = told["inquiries"]
    assert [each["leaf"] for each in found] == [leaf.hash.hex() for leaf in hers]
    assert [(each["querier"], each["inquiry"]) for each in found] == [("bank-a", "hard"), ("bank-c", "unknown")]
    assert {(each["purpose"], each["epoch"]) for each in found} == {(PURPOSE, 1)}
    assert told["asked"] >= 42
    assert told["not_asked"] == []
    kept = SignedInquirers.read(told["file"]).inquirers
    assert [each.leaf for each in kept.inquiries] == [leaf.hash.hex() for leaf in hers]
    assert stat.S_IMODE(Path(told["file"]).stat().st_mode) == 0o600
    assert at.look_up("Nobody at all")["inquiries"] == []
