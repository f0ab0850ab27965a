"""A question with consent from end to end: the leaf commits to the document, the store opens it, once is once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from query_world import NOW, PURPOSE, QueryWorld
from wallets import Persons, scope_of

from clients.institution.lookup.asking import Asked, Asking
from clients.institution.lookup.questions import Question
from federation.lookup.outcome import Unavailable
from federation.lookup.record import JointSum
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent
from protocols.consent.opening import Opening, Terms, judge
from protocols.consent.receipt import Inquiry
from protocols.lookup.leaf import SignedLeaf


@pytest.fixture(scope="module")
def small() -> tuple[QueryWorld, Any]:
    world = QueryWorld.with_engine("lwe", subjects=24, bound=40)
    return world, world.epoch()


@pytest.fixture
def asking(small: tuple[QueryWorld, Any], tmp_path: Path) -> Asking:
    world, epoch = small
    return world.asking("bank-00", epoch, tmp_path)


@pytest.fixture
def persons(tmp_path: Path) -> Persons:
    return Persons.under(tmp_path, clock=lambda: NOW)


def put(world: QueryWorld, asking: Asking, consents: list[Consent], identifier: bytes) -> list[Asked]:
    batch = [Asked(Question("-", PURPOSE, each.encode()), identifier, each) for each in consents]
    asking.tickets(batch)
    asking.read(batch)
    return batch


def permitted(persons: Persons, person: str, **changes: Any) -> Consent:
    return persons.consent(person, "bank-00", **changes)


@pytest.mark.parametrize("inquiry", list(Inquiry))
def test_what_is_kept_here_opens_the_logged_leaf_to_a_regulator(
    inquiry: Inquiry, small: tuple[QueryWorld, Any], asking: Asking, persons: Persons
) -> None:
    """`P-0017` is nobody's customer: what is judged is the question, not its answer."""
    world, _ = small
    consent = permitted(persons, "P-0017", inquiry=inquiry)
    identifier = persons.wallet("P-0017").subject.identifier
    [asked] = put(world, asking, [consent], identifier)
    assert isinstance(asked.found, JointSum)
    relay: Any = asking.relay
    leaf = SignedLeaf.decode(relay.log[-1])
    assert leaf.leaf.receipt_serial == consent.serial
    kept, opening = asking.asked_store.opening(leaf.hash)
    assert opening.receipt == consent.encode()
    assert asking.consents.inquiry(leaf.hash) is inquiry is asked.inquiry
    assert asking.consents.leaf_of(leaf.leaf.qid) == leaf.hash
    key = world.signers["bank-00"]
    answer = Opening(leaf.hash, kept, opening).sign(key)
    verdict = judge(leaf, key.public, answer, Terms(scope_of(), None, (persons.authority.authority,), Revocations()))
    assert (verdict.rule, verdict.inquiry) == (None, inquiry)


def test_a_receipt_that_has_served_is_refused_here_and_the_relay_hears_nothing(
    small: tuple[QueryWorld, Any], asking: Asking, persons: Persons
) -> None:
    world, _ = small
    consent, person = permitted(persons, "P-0017"), persons.wallet("P-0017").subject.identifier
    put(world, asking, [consent], person)
    world.seen.clear()
    [again] = put(world, asking, [consent], person)
    assert isinstance(again.found, Unavailable)
    assert (again.found.party, again.found.reason.partition(":")[0]) == ("bank-00", "receipt, used")
    assert world.seen == []


def test_without_the_nodes_own_memory_the_members_refuse_what_was_logged_anyway(
    small: tuple[QueryWorld, Any], asking: Asking, persons: Persons, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the check off it goes out, and costs a leaf in the log under the same number."""
    world, _ = small
    monkeypatch.setattr(type(asking.consents), "take", lambda store, asked: None)
    consent, person = permitted(persons, "P-0017"), persons.wallet("P-0017").subject.identifier
    put(world, asking, [consent], person)
    world.seen.clear()
    [again] = put(world, asking, [consent], person)
    assert isinstance(again.found, Unavailable)
    assert again.found.reason.startswith("conflict")
    assert [each.call for each in world.seen] == ["Append", "Ticket"]
