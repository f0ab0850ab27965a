"""Every rule of an inquiry is refused by name; with its check off, the inquiry goes through."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from consent_world import DAY, NOW, SCOPE, Person, ask

from protocols.consent import check
from protocols.consent.check import CLOCK_SKEW_S, Revocations
from protocols.consent.receipt import Inquiry, Revocation, Subject
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.errors import SignatureError
from protocols.signing import SigningKey

MARY, JOHN = Person(b"DE|4711"), Person(b"DE|4712")
BANK = SigningKey.from_seed(bytes(32))


def refused(rule: Rule, *arguments: Any, **changes: Any) -> ConsentRefused:
    with pytest.raises(ConsentRefused) as caught:
        ask(*arguments, **changes)
    assert caught.value.rule is rule
    return caught.value


def revoked(*, at: int, by: Person = MARY) -> Revocations:
    serial = MARY.receipt().serial
    return Revocations.of([(Revocation(by.key.public, serial).sign(by.key), at)])


@pytest.mark.parametrize("inquiry", list(Inquiry))
def test_what_the_person_permits_is_covered(inquiry: Inquiry) -> None:
    signed = MARY.signed(inquiry=inquiry)
    assert ask(MARY, signed) == signed.receipt
    assert ask(MARY, signed).inquiry is inquiry


def test_a_receipt_the_querier_signed_itself_covers_nothing() -> None:
    forged = replace(MARY.receipt(), subject_key=BANK.public).sign(BANK)
    refused(Rule.UNKNOWN_KEY, MARY, forged, known_key=MARY.key.public)
    refused(Rule.UNKNOWN_KEY, MARY, forged, known_key=None)
    assert ask(MARY, forged, known_key=forged.receipt.subject_key)  # were the receipt asked whose key is hers


def test_a_receipt_in_her_name_with_another_signature_is_forged() -> None:
    forged = replace(MARY.signed(), signature=replace(MARY.receipt(), subject_key=BANK.public).sign(BANK).signature)
    refused(Rule.FORGED, MARY, forged)
    longer = replace(MARY.signed(), receipt=MARY.receipt(expires=NOW + 10**6))
    refused(Rule.FORGED, MARY, longer)


def test_one_persons_receipt_is_none_for_another() -> None:
    refused(Rule.UNKNOWN_KEY, JOHN, MARY.signed())
    refused(Rule.WRONG_SUBJECT, JOHN, MARY.signed(), known_key=MARY.key.public)
    # Two persons under one key (a guardian's): the salted hash alone tells them apart.
    refused(Rule.WRONG_SUBJECT, MARY, MARY.signed(), subject=JOHN.subject())
    refused(Rule.WRONG_SUBJECT, MARY, MARY.signed(), subject=Subject(MARY.identifier, bytes(32)))


@pytest.mark.parametrize(
    ("rule", "asked", "permits"),
    [
        (Rule.WRONG_QUERIER, {"querier": "bank-b"}, {"querier": "bank-b"}),
        (Rule.WRONG_PURPOSE, {"purpose": "credit-review"}, {"purpose": "credit-review"}),
        (Rule.WRONG_SCOPE, {"scope": replace(SCOPE, hash=bytes(32))}, {"scope": replace(SCOPE, hash=bytes(32))}),
        (Rule.WRONG_SCOPE, {"scope": replace(SCOPE, catalogue="b")}, {"scope": replace(SCOPE, catalogue="b")}),
        (Rule.EXPIRED, {"now": NOW + 30 * DAY}, {"expires": NOW + 30 * DAY + 1}),
        (Rule.NOT_YET_VALID, {"now": NOW - 2 * DAY}, {"issued": NOW - 2 * DAY}),
    ],
)
def test_an_inquiry_she_did_not_permit_is_refused(rule: Rule, asked: dict[str, Any], permits: dict[str, Any]) -> None:
    refused(rule, MARY, MARY.signed(), **asked)
    assert ask(MARY, MARY.signed(**permits), **asked)  # it is this one field that was refused


def test_validity_begins_and_ends_on_the_second() -> None:
    receipt = MARY.receipt()
    for moment in (receipt.issued - CLOCK_SKEW_S, receipt.issued, receipt.expires - 1):
        assert ask(MARY, MARY.signed(), now=moment)
    refused(Rule.NOT_YET_VALID, MARY, MARY.signed(), now=receipt.issued - CLOCK_SKEW_S - 1)
    refused(Rule.EXPIRED, MARY, MARY.signed(), now=receipt.expires)


def test_a_revocation_counts_from_its_delivery() -> None:
    refused(Rule.REVOKED, MARY, MARY.signed(), revoked=revoked(at=NOW))
    assert ask(MARY, MARY.signed(), revoked=revoked(at=NOW + 1))
    assert ask(MARY, MARY.signed(1), subject=MARY.subject(1), revoked=revoked(at=NOW))  # her other receipt stands
    assert ask(MARY, MARY.signed())  # with the list off


def test_nobody_revokes_for_another() -> None:
    assert ask(MARY, MARY.signed(), revoked=revoked(at=0, by=JOHN))
    mine = Revocation(JOHN.key.public, MARY.receipt().serial).sign(JOHN.key)
    stolen = replace(mine, revocation=replace(mine.revocation, subject_key=MARY.key.public))
    with pytest.raises(SignatureError):
        Revocations.of([(stolen, 0)])


def test_of_two_deliveries_the_first_counts() -> None:
    signed = Revocation(MARY.key.public, MARY.receipt().serial).sign(MARY.key)
    for order in ([NOW - 5, NOW + 5], [NOW + 5, NOW - 5]):
        assert Revocations.of([(signed, moment) for moment in order]).since(MARY.receipt()) == NOW - 5


def test_a_refusal_says_the_rule_and_nothing_of_the_person() -> None:
    for error in (
        refused(Rule.WRONG_SUBJECT, JOHN, MARY.signed(), known_key=MARY.key.public),
        refused(Rule.WRONG_QUERIER, MARY, MARY.signed(), querier="bank-b"),
        refused(Rule.FORGED, MARY, replace(MARY.signed(), signature=bytes(64))),
    ):
        said = str(error)
        assert error.rule in said
        assert "471" not in said
        assert MARY.subject().salt.hex() not in said
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.rule, str(again)) == (ConsentRefused, error.rule, said)


def test_a_refusal_says_what_was_asked_what_is_permitted_and_times_of_a_calendar() -> None:
    other = refused(Rule.WRONG_QUERIER, MARY, MARY.signed(), querier="bank-b")
    assert (other.got, other.expected) == ("a question of bank-b", "bank-a, which the receipt permits")
    late = refused(Rule.REVOKED, MARY, MARY.signed(), revoked=revoked(at=NOW))
    assert late.expected == f"before it was revoked, {check.moment(NOW)}"
    standing = Revocations.standing([Revocation(MARY.key.public, MARY.receipt().serial).sign(MARY.key)])
    assert refused(Rule.REVOKED, MARY, MARY.signed(), revoked=standing).expected == "before it was revoked"
    assert check.moment(1_795_362_868) == "2026-11-22 15:54:28 UTC"
    for no_date in (-1, 0, 2**37, 2**80):  # whatever a receipt claims is a refusal, and no crash of its reader
        assert check.moment(no_date) == f"{no_date} s of Unix time"
