"""What relay and pool answer a querier with beside the truth, and what it does about it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from query_world import opened

from clients.institution.lookup.kept_answers import ANSWERS_FILE, PLACE_BYTES
from federation.errors import Refused
from federation.lookup.outcome import Unavailable
from federation.lookup.record import JointSum
from protocols.wire import lookup_pb2 as wire


@pytest.mark.parametrize("kind", ["evaluations", "openings"])
def test_two_statements_of_one_member_are_none(kind: str, tmp_path: Path) -> None:
    """Of two the last would count, and a member be shown to have said what another querier is told it did not."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-02", epoch, tmp_path)
    relay: Any = asking.relay

    def doubled(outcomes: list[wire.TicketOutcome]) -> list[wire.TicketOutcome]:
        said = getattr(outcomes[0], kind)
        said.add().CopyFrom(said[0])
        return outcomes

    relay.change = doubled
    before = len(world.seen)
    [found] = world.ask(asking, world.identifiers[:1])
    assert isinstance(found, Unavailable)
    assert (found.party, "two statements of one institution" in found.reason) == ("relay", True)
    assert [seen.call for seen in world.seen[before:]] == ["Append", "Ticket"]


def test_no_answer_is_the_first_to_take_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there and filled before the first query leaves: how long an answer takes says nothing of what it was."""
    world, epoch = opened("lwe")
    asking = world.asking("bank-02", epoch, tmp_path)
    pool, sizes = asking.pool, list[int]()
    file, real = asking.epoch.part.folder.file(ANSWERS_FILE), pool.query

    def noted(queries: Sequence[bytes], name: bytes, *, timeout: float) -> Sequence[wire.Answer]:
        sizes.append(file.stat().st_size if file.exists() else 0)
        return real(queries, name, timeout=timeout)

    monkeypatch.setattr(pool, "query", noted)
    for identifier in world.identifiers[:2]:
        world.ask(asking, [identifier])
    assert sizes[0] == sizes[1] == file.stat().st_size >= PLACE_BYTES


def test_a_pool_that_lost_the_keys_is_given_them_again_and_no_other_refusal_is_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, epoch = opened("bfv")
    asking = world.asking("bank-02", epoch, tmp_path)
    pool, refusals, asked = asking.pool, ["unknown"], list[bytes]()
    real, before = pool.query, len(world.seen)

    def forgetful(queries: Sequence[bytes], name: bytes, *, timeout: float) -> Sequence[wire.Answer]:
        asked.extend(queries)
        if refusals:
            raise Refused(refusals.pop(), "keys_hash", got="none", expected="registered keys")
        return real(queries, name, timeout=timeout)

    monkeypatch.setattr(pool, "query", forgetful)
    [found] = world.ask(asking, world.identifiers[:1])
    assert isinstance(found, JointSum)
    assert len(asked) == 2
    assert len(set(asked)) == 1  # the very same bytes: two queries for one row would be two samples
    assert [seen.call for seen in world.seen[before:]].count("Register") == 1
    refusals[:] = ["busy"]
    [found] = world.ask(asking, world.identifiers[1:2])
    assert isinstance(found, Unavailable)
    assert len(asked) == 3
    refusals[:] = ["unknown", "unknown"]
    [found] = world.ask(asking, world.identifiers[2:3])
    assert isinstance(found, Unavailable)
    assert len(asked) == 5
