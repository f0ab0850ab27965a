"""A spot check from first to last over a real log: 500 inquiries, ten of them forged, each in its own way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_world import BANKS, key_of
from spot_check_world import DAY, InquiryWorld, Person, inquiring, scope

from protocols.consent.draw import detection
from protocols.consent.receipt import Scope
from protocols.lookup.elgamal import make_tag
from protocols.lookup.leaf import SignedLeaf
from protocols.oprf.group import hash_to_group
from protocols.transparency import read_entry

HONEST, RATE = 490, 0.3
ANNA, BERT = Person(b"anna"), Person(b"bert")
Forge = Callable[[InquiryWorld], SignedLeaf]


def invented(world: InquiryWorld) -> SignedLeaf:
    """The bank makes key, statement and receipt itself."""
    made = Person(b"anna-invented")
    wallet = replace(made, identifier=ANNA.identifier)
    return world.ask("bank-b", ANNA, wallet.consent("bank-b", signer=key_of("bank-b")))


def altered(world: InquiryWorld) -> SignedLeaf:
    """A receipt of hers that has expired, prolonged."""
    consent = ANNA.consent("bank-b")
    longer = replace(consent.receipt.receipt, expires=consent.receipt.receipt.expires + 300 * DAY)
    return world.ask("bank-b", ANNA, replace(consent, receipt=replace(consent.receipt, receipt=longer)))


def expired(world: InquiryWorld) -> SignedLeaf:
    now = int(time.time())
    return world.ask("bank-b", ANNA, ANNA.consent("bank-b", issued=now - 9 * DAY, expires=now - DAY))


def early(world: InquiryWorld) -> SignedLeaf:
    return world.ask("bank-b", ANNA, ANNA.consent("bank-b", issued=int(time.time()) + DAY))


def another_purpose(world: InquiryWorld) -> SignedLeaf:
    return world.ask("bank-b", ANNA, ANNA.consent("bank-b", purpose="portfolio-review"))


def another_bank(world: InquiryWorld) -> SignedLeaf:
    return world.ask("bank-b", ANNA, ANNA.consent("bank-a"))


def another_catalogue(world: InquiryWorld) -> SignedLeaf:
    return world.ask("bank-b", ANNA, ANNA.consent("bank-b", scope=Scope("taiwan", scope().hash)))


def another_person(world: InquiryWorld) -> SignedLeaf:
    """Asked about Anna, on what Bert permitted."""
    return world.ask("bank-b", ANNA, BERT.consent("bank-b"))


def shown_as_another(world: InquiryWorld) -> SignedLeaf:
    """Asked about Anna; Bert's name is shown with Bert's receipt."""
    return world.ask("bank-b", ANNA, BERT.consent("bank-b"), shown=lambda _, opening: (BERT.identifier, opening))


def hidden(world: InquiryWorld) -> SignedLeaf:
    """The tag is Bert's: Anna would not find the leaf."""

    def change(leaf: SignedLeaf) -> SignedLeaf:
        oversight = world.context.oversight
        assert oversight is not None
        tag = make_tag(hash_to_group(BERT.identifier), os.urandom(32), oversight)
        return replace(leaf.leaf, tag=tag).sign(key_of("bank-b"))

    return world.ask("bank-b", ANNA, change=change)


FORGED: dict[Forge, str] = {
    invented: "unknown_key",
    altered: "forged",
    expired: "expired",
    early: "not_yet_valid",
    another_purpose: "wrong_purpose",
    another_bank: "wrong_querier",
    another_catalogue: "wrong_scope",
    another_person: "wrong_subject",
    shown_as_another: "wrong_person",
    hidden: "wrong_tag",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InquiryWorld, dict[str, str]]]:
    """500 inquiries of three banks; {leaf hash: rule} of the ten that bank-b has forged, spread among the others."""
    with inquiring(tmp_path_factory.mktemp("inquiries")) as made:
        forged: dict[str, str] = {}
        kinds = iter(FORGED.items())
        for number in range(HONEST):
            bank = BANKS[number % 3]
            made.ask(bank, Person(b"person-%d" % number))
            if number % 49 == 0:
                forge, rule = next(kinds)
                forged[forge(made).hash.hex()] = rule
        assert (len(made.leaves), len(forged)) == (500, 10)
        yield made, forged


@pytest.fixture(scope="module")
def sampled(world: tuple[InquiryWorld, dict[str, str]]) -> dict[str, Any]:
    return world[0].sampled("november", RATE)


@pytest.fixture(scope="module")
def checked(
    world: tuple[InquiryWorld, dict[str, str]], sampled: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    files = [file for bank in BANKS for file in world[0].open(bank, tmp_path_factory.mktemp(bank))]
    assert len(files) == sum(map(len, sampled["drawn"].values()))
    found = drawn(sampled) & world[1].keys()  # none of the ten, once in 35 draws
    return world[0].fsr("check", *files, code=1 if found else 0)


def drawn(sampled: dict[str, Any]) -> set[str]:
    return {each["leaf"] for leaves in sampled["drawn"].values() for each in leaves}


def test_the_sample_is_of_the_size_that_was_asked_for_and_says_what_it_finds(sampled: dict[str, Any]) -> None:
    assert sampled["inquiries"] == 500
    assert 100 < len(drawn(sampled)) < 200  # 150 expected, sd 10.2
    assert sampled["detection"]["10"] == pytest.approx(1 - 0.7**10) == detection(10, 300_000)
    assert sampled["detection"]["10"] > 0.97


def test_running_the_draw_again_gives_the_same_sample(
    world: tuple[InquiryWorld, dict[str, str]], sampled: dict[str, Any]
) -> None:
    world[0].grow(5)
    world[0].turn()
    assert world[0].fsr("sample", "november") == sampled


def test_every_sampled_forgery_is_named_with_its_rule_and_no_honest_inquiry_is(
    world: tuple[InquiryWorld, dict[str, str]], sampled: dict[str, Any], checked: dict[str, Any]
) -> None:
    forged = world[1]
    found = {each["leaf"]: each["rule"] for querier in checked["queriers"] for each in querier["broken"]}
    assert found == {leaf: rule for leaf, rule in forged.items() if leaf in drawn(sampled)}
    by_querier = {each["querier"]: each for each in checked["queriers"]}
    assert all(not by_querier[bank]["broken"] for bank in ("bank-a", "bank-c"))
    for bank, each in by_querier.items():
        assert each["hard"] + len(each["broken"]) == each["drawn"] == len(sampled["drawn"][bank])
    assert checked["unusable"] == []


def test_every_kind_of_forgery_is_named_when_all_inquiries_are_drawn(
    world: tuple[InquiryWorld, dict[str, str]], checked: dict[str, Any], tmp_path: Path
) -> None:
    made, forged = world
    assert checked
    made.sampled("all", 1.0, first=0)
    files = [file for bank in BANKS for file in made.open(bank, tmp_path)]
    told = made.fsr("check", *files, "--draw", "all", code=1)
    found = {each["leaf"]: each["rule"] for querier in told["queriers"] for each in querier["broken"]}
    assert found == forged


def test_what_is_logged_names_no_person_and_every_verifier_agrees(
    world: tuple[InquiryWorld, dict[str, str]], checked: dict[str, Any]
) -> None:
    made = world[0]
    made.turn()
    entries = [data for _, data in made.log.store.entries(0, 10_000, "consent-verdict").entries]
    assert len(entries) >= 3
    for person in (ANNA, BERT, Person(b"person-1")):
        secrets = (person.identifier, person.identifier.hex().encode(), person.subject.salt.hex().encode())
        assert not any(secret in data for secret in secrets for data in entries)
    assert made.watcher.store.alerts() == []
    assert made.fsr("check")["holds"]
    logged = {read_entry(data).hash.hex() for data in entries}
    assert {each["logged"] for each in checked["queriers"]} <= logged
