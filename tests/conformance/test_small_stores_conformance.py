"""An institution's smaller stores and the coordinator's count of enrolments, on every database a home may name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from rounds_world import make_plan

from clients.institution.lookup.asked_store import AskedStore
from clients.institution.lookup.enrolment_count import EnrolmentCount
from clients.institution.plan_store import Decision, PlanStore
from federation.errors import ConfigurationError, Refused
from federation.runtime.database import open_engine
from protocols.lookup.leaf import Leaf
from protocols.lookup.roster import RosterMember
from protocols.lookup.ticket_querier import LeafOpening
from protocols.oprf.group import BASE, Scalar
from protocols.signing import SigningKey

KEY = SigningKey.from_seed(bytes(32))


def test_a_plan_is_decided_on_and_a_run_has_one(database_url: str) -> None:
    store, (one, other) = PlanStore.open(database_url), (make_plan(quorum=2), make_plan(quorum=3))
    assert store.decision(one.hash) is None
    for plan in (one, other):
        store.propose(plan, Decision.PENDING)
    assert set(PlanStore.open(database_url).waiting()) == {one, other}
    assert store.decide(one.hash, Decision.APPROVED) == one
    assert store.approved_of_run(one.run_id) == one.hash
    with pytest.raises(ConfigurationError, match="an approved plan"):
        store.decide(other.hash, Decision.APPROVED)
    store.decide(one.hash, Decision.REJECTED)
    store.decide(other.hash, Decision.APPROVED)
    assert {stored.plan.hash: stored.decision for stored in store.plans()} == {
        one.hash: Decision.REJECTED,
        other.hash: Decision.APPROVED,
    }


def test_what_was_asked_can_be_opened(database_url: str) -> None:
    leaf = Leaf("bank-a", b"e" * 32, b"q" * 16, "origination", "s", b"r" * 32, b"b" * 32, b"", b"x" * 32, 1_900_000_000)
    opening = LeafOpening(Scalar(b"\x01" + bytes(31)), b"n" * 32, b"\x00receipt\xff")
    AskedStore(open_engine(database_url)).keep([(b"\x00subject", leaf.sign(KEY), opening)])
    again = AskedStore(open_engine(database_url))
    assert again.opening(leaf.sign(KEY).hash) == (b"\x00subject", opening)
    with pytest.raises(ConfigurationError):
        again.opening(b"l" * 32)


def test_enrolments_that_arrive_together_share_the_attested_number(database_url: str) -> None:
    counts = [EnrolmentCount(open_engine(database_url)) for _ in range(2)]
    member = RosterMember("bank-a", KEY.public, BASE, 10)

    def charge(number: int) -> bool:
        try:
            counts[number % 2].charge(b"r" * 32, member, b"%d" % number, 3)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(charge, range(8))) == 3
    counts[0].charge(b"q" * 32, member, b"another key", 10)
