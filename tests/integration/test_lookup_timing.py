"""Present against absent by the clock: when messages come to relay, pool and members, one question after the other."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from recorded_world import Message, RecordedWorld, now
from scipy.stats import ks_2samp, mannwhitneyu

from protocols.wire import lookup_pb2 as wire

pytestmark = [pytest.mark.integration, pytest.mark.soak, pytest.mark.timeout(600)]
EACH = 200
LEVEL = 0.01
LEAKS = ((3, 5.0), (4, 20.0), (5, 80.0))  # (seed, ms), until one is seen


def hops(messages: list[Message]) -> dict[str, Any]:
    """What each party can time of one question after the other (s): arrays of one number a question."""
    served = [message for message in messages if message.side == "server"]
    append, ticket, query = ([m for m in served if m.method == kind] for kind in ("Append", "Ticket", "Query"))
    assert len(append) == len(ticket) == len(query)
    at = {kind: np.array([m.at for m in some]) for kind, some in zip("atq", (append, ticket, query), strict=True)}
    end = {kind: np.array([m.until for m in some]) for kind, some in zip("tq", (ticket, query), strict=True)}
    following = np.append(at["a"][1:], np.nan)
    return {
        "relay: leaf to ticket": at["t"] - at["a"],
        "relay: ticket": end["t"] - at["t"],
        "pool: ticket's end to query": at["q"] - end["t"],
        "pool: query": end["q"] - at["q"],
        "relay: answer to the next leaf": following - end["q"],
        "member: first task to second": between_tasks(messages, "borealis", len(append)),
    }


def between_tasks(messages: list[Message], member: str, questions: int) -> Any:
    """What a member that serves can time: two tasks come for each question."""
    replies = [message for message in messages if (message.party, message.method) == (member, "Work")]
    came = [message.at for message in replies if wire.WorkReply.FromString(message.data).tasks]
    assert len(came) == 2 * questions
    return np.diff(np.array(came).reshape(questions, 2), axis=1)[:, 0]


def separable(times: dict[str, Any], present: Any) -> dict[str, float]:
    """The hops in which present and absent differ at LEVEL over all hops and both tests (Bonferroni), with p."""
    found = {}
    for name, values in times.items():
        ok = ~np.isnan(values)
        one, other = values[ok & present], values[ok & ~present]
        p = min(mannwhitneyu(one, other).pvalue, ks_2samp(one, other).pvalue)
        if p * 2 * len(times) < LEVEL:
            found[name] = float(p)
    return found


def timed(world: RecordedWorld, each: int, seed: int, leak_ms: float = 0.0) -> tuple[dict[str, Any], Any]:
    """`each` present and absent subjects in random order, put by one process one after the other."""
    mine = set(world.subjects("aurora"))
    known = [person for person in world.subjects("borealis") if person not in mine][:each]
    mixed = [*((person, True) for person in known), *((f"ABSENT{seed}{number:05d}", False) for number in range(each))]
    Random(seed).shuffle(mixed)
    since = now()
    outcomes = world.ask("aurora", [subject for subject, _ in mixed], leak_ms=leak_ms)
    present = np.array([outcome != "no_hit" for outcome in outcomes])
    assert present.tolist() == [there for _, there in mixed]
    return hops(world.messages(since)), present


def spread(values: Any) -> float:
    """What lies between the quarters (s): what this machine makes of a time by itself."""
    low, high = np.nanpercentile(values, [25, 75])
    return float(high - low)


def test_present_and_absent_take_the_same_time_at_every_hop(recorded_world: RecordedWorld) -> None:
    """At the 1 % level; what is chance does not come twice. 3 ms more for one kind would show at every hop, or, where
    the machine itself makes more of it, three quarters of that."""
    times, present = timed(recorded_world, EACH, 1)
    found = separable(times, present)
    if found:
        again = separable(*timed(recorded_world, EACH, 2))
        found = {name: p for name, p in again.items() if name in found}
    assert not found
    for name, values in times.items():
        late = values + max(0.003, 0.75 * spread(values)) * ~present
        assert name in separable({**times, name: late}, present), f"a leak at {name} goes unseen"


def test_a_querier_that_is_slower_for_strangers_is_found_out(recorded_world: RecordedWorld) -> None:
    """By 5 ms on a machine with nothing else to do; by more on one that is busy."""
    hop = "pool: ticket's end to query"
    assert any(hop in separable(*timed(recorded_world, 40, number, leak_ms=leak)) for number, leak in LEAKS)
