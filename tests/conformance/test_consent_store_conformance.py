"""What has served and what was taken back, on every database a home may name: durable, once, whoever comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from wallets import Persons

from clients.institution.lookup.consent_store import ConsentStore
from federation.errors import ConfigurationError
from federation.runtime.database import open_engine
from protocols.consent.consent import Consent
from protocols.consent.receipt import Inquiry, Revocation, SignedRevocation
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import SignatureError
from protocols.lookup.leaf import Leaf, SignedLeaf
from protocols.signing import SigningKey

BANK = SigningKey.from_seed(bytes(32))
MARY = "P-0017"


@pytest.fixture
def persons(tmp_path: Path) -> Persons:
    return Persons.under(tmp_path)


def leaf(number: int, consent: Consent) -> SignedLeaf:
    qid, serial = number.to_bytes(16, "big"), consent.serial
    return Leaf("bank-a", b"e" * 32, qid, "p", serial, b"r" * 32, b"b" * 32, b"", b"x" * 32, 1_900_000_000).sign(BANK)


def test_a_receipt_serves_one_leaf_for_ever(persons: Persons, database_url: str) -> None:
    store = ConsentStore(open_engine(database_url))
    soft, hard = persons.consent(MARY, "bank-a", inquiry=Inquiry.SOFT), persons.consent(MARY, "bank-a")
    store.check_unused(soft.receipt.receipt)
    store.take([(leaf(1, soft), soft), (leaf(2, hard), hard)])
    again = ConsentStore(open_engine(database_url))
    assert again.inquiry(leaf(1, soft).hash) is Inquiry.SOFT
    assert again.inquiry(leaf(2, hard).hash) is Inquiry.HARD
    assert again.inquiry(bytes(32)) is None
    assert again.leaf_of((2).to_bytes(16, "big")) == leaf(2, hard).hash
    assert again.leaf_of(bytes(16)) is None
    with pytest.raises(ConsentRefused) as refused:
        again.check_unused(soft.receipt.receipt)
    assert refused.value.rule is Rule.USED


def test_one_that_has_served_spoils_its_whole_batch_and_uses_up_nothing(persons: Persons, database_url: str) -> None:
    store = ConsentStore(open_engine(database_url))
    used, fresh = persons.consent(MARY, "bank-a"), persons.consent(MARY, "bank-a")
    store.take([(leaf(1, used), used)])
    with pytest.raises(ConsentRefused):
        store.take([(leaf(2, fresh), fresh), (leaf(3, used), used)])
    store.check_unused(fresh.receipt.receipt)
    store.take([(leaf(4, fresh), fresh)])


def test_of_processes_that_come_together_one_has_the_receipt(persons: Persons, database_url: str) -> None:
    stores = [ConsentStore(open_engine(database_url)) for _ in range(2)]
    consent = persons.consent(MARY, "bank-a")

    def take(number: int) -> bool:
        try:
            stores[number % 2].take([(leaf(number, consent), consent)])
        except ConsentRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(take, range(1, 9))) == 1


def test_a_revocation_counts_from_its_first_delivery_and_survives(persons: Persons, database_url: str) -> None:
    store = ConsentStore(open_engine(database_url))
    consent, other = persons.consent(MARY, "bank-a"), persons.consent(MARY, "bank-a")
    signed = persons.wallet(MARY).revoke(consent.serial)
    assert store.revocations_of(consent.receipt.receipt).since(consent.receipt.receipt) is None
    assert store.revoke(signed, 1000) == 1000
    assert ConsentStore(open_engine(database_url)).revoke(signed, 2000) == 1000
    assert store.revocations_of(consent.receipt.receipt).since(consent.receipt.receipt) == 1000
    assert store.revocations_of(other.receipt.receipt).since(other.receipt.receipt) is None


def test_nobody_else_revokes_her_receipt(persons: Persons, database_url: str) -> None:
    store, consent = ConsentStore(open_engine(database_url)), persons.consent(MARY, "bank-a")
    receipt = consent.receipt.receipt
    forged = replace(persons.wallet(MARY).revoke(consent.serial), signature=bytes(64))
    with pytest.raises(SignatureError):
        store.revoke(forged, 1000)
    store.revoke(Revocation(BANK.public, receipt.serial).sign(BANK), 1000)  # the same number, under another key
    assert store.revocations_of(receipt).since(receipt) is None


def test_what_is_said_of_a_revocation_is_kept_and_tells_whether_the_receipt_had_served(
    persons: Persons, database_url: str
) -> None:
    store = ConsentStore(open_engine(database_url))
    fresh, used = persons.consent(MARY, "bank-a"), persons.consent(MARY, "bank-a")
    store.take([(leaf(1, used), used)])
    said = {}
    for consent in (fresh, used):
        signed = persons.wallet(MARY).revoke(consent.serial)
        with pytest.raises(ConfigurationError, match="none delivered"):
            store.acknowledgement(signed, "bank-a")
        store.revoke(signed, 1000)
        nonce, said[consent.serial] = store.acknowledgement(signed, "bank-a")
        assert ConsentStore(open_engine(database_url)).acknowledgement(signed, "bank-a") == (
            nonce,
            said[consent.serial],
        )
        assert (said[consent.serial].time, said[consent.serial].revocation) == (1000, signed.hash)
    assert said[fresh.serial].leaf is None
    assert said[used.serial].leaf == leaf(1, used).hash


def test_of_a_revocation_and_a_question_that_come_together_the_acknowledgement_knows_which_was_first(
    persons: Persons, database_url: str
) -> None:
    stores = [ConsentStore(open_engine(database_url)) for _ in range(2)]
    for number in range(6):
        consent = persons.consent(MARY, "bank-a")
        signed = persons.wallet(MARY).revoke(consent.serial)

        def ask(number: int = number, consent: Consent = consent) -> bool:
            try:
                stores[0].take([(leaf(number, consent), consent)])
            except ConsentRefused as refused:
                return refused.rule is not Rule.REVOKED  # anything else is no answer
            return True

        def revoke(signed: SignedRevocation = signed) -> bytes | None:
            stores[1].revoke(signed, 1000)
            return stores[1].acknowledgement(signed, "bank-a")[1].leaf

        with ThreadPoolExecutor(2) as pool:
            asked, said = pool.submit(ask), pool.submit(revoke)
            assert (said.result() == leaf(number, consent).hash) is asked.result()
