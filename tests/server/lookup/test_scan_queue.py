"""Who floods the scan waits behind itself: nobody else is refused, and nobody else waits longer than a turn of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Refused
from server.lookup.scan_queue import MAX_BATCH, SHARE_BYTES, SHARE_QUERIES, Job, ScanQueue

KEYS = Path("keys")


def job(caller: str, queries: int = 1, *, keys: Path | None = None, size: int = 1, wanted: bool = True) -> Job:
    return Job(caller, (bytes(size),) * queries, keys, b"", lambda: wanted)


def fill(queue: ScanQueue, caller: str, queries: int, keys: Path | None = None) -> int:
    """Calls of `queries` until it is refused; how many waited then."""
    for count in range(10_000):
        try:
            queue.put(job(caller, queries, keys=keys))
        except Refused as refused:
            if refused.code != "busy":
                raise
            return count
    raise AssertionError("nobody was refused")


def test_a_flood_shuts_nobody_else_out_and_the_next_turn_is_anothers() -> None:
    queue = ScanQueue()
    assert fill(queue, "evil", 8, KEYS) == SHARE_QUERIES // 8
    honest = job("honest", keys=KEYS)
    queue.put(honest)
    assert queue.take()[0].caller == "evil"
    assert queue.take() == [honest]


def test_a_share_is_counted_in_bytes_too() -> None:
    queue = ScanQueue()
    queue.put(job("evil", size=SHARE_BYTES))
    with pytest.raises(Refused):
        queue.put(job("evil"))
    queue.put(job("honest", size=SHARE_BYTES))


@given(calls=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 8), st.booleans()), max_size=40))
def test_everything_is_answered_once_in_each_callers_order_and_in_turns(calls: list[tuple[str, int, bool]]) -> None:
    queue, put = ScanQueue(), []
    for caller, queries, keyed in calls:
        made = job(caller, queries, keys=KEYS if keyed else None)
        try:
            queue.put(made)
        except Refused:
            continue
        put.append(made)
    taken: list[Job] = []
    waiting = {caller: [made for made in put if made.caller == caller] for caller in "abcde"}
    while jobs := queue.take():
        assert len(jobs) == 1 or sum(len(made.queries) for made in jobs) <= MAX_BATCH
        assert len(jobs) == 1 or all(made.keys is None for made in jobs)
        for made in jobs:
            others = {caller for caller, own in waiting.items() if own and caller != made.caller}
            since = [earlier.caller for earlier in reversed(taken)]
            if made.caller in since:  # everybody that waits had a turn since this one's last
                assert others <= set(since[: since.index(made.caller)])
            assert waiting[made.caller].pop(0) is made
            taken.append(made)
    assert len(taken) == len(put)


def test_calls_without_keys_share_a_pass_whoever_they_are_of() -> None:
    queue = ScanQueue()
    for caller in ("a", "a", "b", "c"):
        queue.put(job(caller, 20))
    assert [made.caller for made in queue.take()] == ["a", "b", "c"]
    assert [made.caller for made in queue.take()] == ["a"]


def test_what_nobody_waits_for_is_neither_done_nor_counted() -> None:
    queue = ScanQueue()
    queue.put(job("a", SHARE_QUERIES, wanted=False))
    there = job("a", SHARE_QUERIES)
    queue.put(there)
    assert queue.take() == [there]
    queue.put(job("a", wanted=False))
    assert queue.take() == []


def test_what_a_worker_that_died_gives_back_is_next_and_the_end_tells_everybody() -> None:
    queue = ScanQueue()
    first, second = job("a", keys=KEYS), job("b", keys=KEYS)
    queue.put(first)
    queue.put(second)
    assert queue.take() == [first]
    queue.put_back(first)
    assert queue.take() == [first]
    assert queue.clear() == [second]
    assert queue.take() == []
