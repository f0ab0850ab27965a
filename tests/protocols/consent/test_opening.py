"""Spot checks: every sampled forgery is named with its rule, no honest querier is blamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bank_world import BANK, OVERSIGHT, TERMS, Logged, log
from consent_world import AUTHORITIES, DAY, NOW, PURPOSE, SCOPE, Person, consent, drawn_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from tickets_world import NOW as WORLD_NOW
from tickets_world import World

from protocols.canonical import canonical, parse_canonical
from protocols.consent.check import Revocations
from protocols.consent.draw import Draw, commit_seed, sample
from protocols.consent.opening import MAX_BYTES, Opening, SignedOpening, Terms, judge
from protocols.consent.receipt import Inquiry, Revocation
from protocols.consent.refusal import Rule
from protocols.errors import MessageError
from protocols.lookup.elgamal import make_tag
from protocols.lookup.roster import Authority
from protocols.lookup.ticket_querier import QuerierTicket
from protocols.oprf.group import hash_to_group, hash_to_scalar, multiply
from protocols.transparency import root as tree_root

MARY, JOHN = Person(b"DE|4711"), Person(b"DE|4712")


def rule_of(logged: Logged, by: Terms = TERMS) -> Rule | None:
    verdict = judge(logged.leaf, BANK.public, logged.answer, by)
    assert (verdict.querier, verdict.leaf_hash) == ("bank-a", logged.leaf.hash)
    return verdict.rule


def own(person: Person, number: int = 0) -> Any:
    """A receipt about `person` that the bank signed itself, beside the statement of whose key is hers."""
    return consent(person, replace(person.receipt(number), subject_key=BANK.public).sign(BANK), number)


@pytest.mark.parametrize("inquiry", list(Inquiry))
def test_an_honest_inquiry_is_in_order_and_hard_or_soft(inquiry: Inquiry) -> None:
    logged = log(MARY, MARY.signed(inquiry=inquiry))
    verdict = judge(logged.leaf, BANK.public, logged.answer, TERMS)
    assert (verdict.rule, verdict.inquiry) == (None, inquiry)


def test_a_ticket_of_the_real_protocol_opens() -> None:
    world = World()
    receipt = MARY.signed(querier="bank-00", issued=int(WORLD_NOW) - 9, expires=int(WORLD_NOW) + 9)
    given = consent(MARY, receipt, until=int(WORLD_NOW) + 9)
    state, leaf, _ = QuerierTicket.start(
        MARY.identifier,
        world.context,
        world.parties["bank-00"].key,
        "bank-00",
        purpose=PURPOSE,
        receipt=given.encode(),
        receipt_serial=given.serial,
        random=world.random,
        now=WORLD_NOW,
    )
    key = world.parties["bank-00"].key
    answer = Opening(leaf.hash, MARY.identifier, state.opening).sign(key)
    by = replace(TERMS, oversight=world.context.oversight)
    assert judge(leaf, key.public, SignedOpening.decode(answer.encode()), by).rule is None
    assert judge(leaf, key.public, answer, replace(by, oversight=OVERSIGHT)).rule is Rule.WRONG_TAG


FORGERIES: dict[Rule, Any] = {
    Rule.UNKNOWN_KEY: lambda: log(MARY, own(MARY)),
    Rule.FORGED: lambda: log(MARY, replace(MARY.signed(), signature=own(MARY).receipt.signature)),
    Rule.WRONG_SUBJECT: lambda: log(MARY, replace(consent(MARY, MARY.signed()), salt=bytes(32))),
    Rule.WRONG_QUERIER: lambda: log(MARY, MARY.signed(querier="bank-b")),
    Rule.WRONG_PURPOSE: lambda: log(MARY, MARY.signed(purpose="credit-review")),
    Rule.WRONG_SCOPE: lambda: log(MARY, MARY.signed(scope=replace(SCOPE, hash=bytes(32)))),
    Rule.NOT_YET_VALID: lambda: log(MARY, MARY.signed(issued=NOW + DAY)),
    Rule.EXPIRED: lambda: log(MARY, MARY.signed(expires=NOW)),
    Rule.WRONG_RECEIPT: lambda: log(MARY, MARY.signed(), receipt_serial="11" * 16),
    Rule.WRONG_TAG: lambda: log(
        MARY, MARY.signed(), tag=make_tag(hash_to_group(JOHN.identifier), drawn_bytes("nonce 0"), OVERSIGHT)
    ),
    Rule.MALFORMED: lambda: log(MARY, b"she said yes"),
    Rule.MISSING: lambda: log(MARY, b""),
}


@pytest.mark.parametrize("rule", list(FORGERIES))
def test_a_forgery_is_named_with_its_rule(rule: Rule) -> None:
    assert rule_of(FORGERIES[rule]()) is rule


def test_were_the_banks_word_taken_for_whose_key_is_hers_it_would_sign_for_everybody() -> None:
    """The same forgery, and the bank's own statement beside it: it passes where the bank is named as an authority."""
    signed = own(MARY).receipt
    logged = log(MARY, consent(MARY, signed, signer=BANK, authority="bank", key=BANK.public))
    assert rule_of(logged) is Rule.UNKNOWN_KEY
    assert rule_of(logged, replace(TERMS, authorities=(*AUTHORITIES, Authority("bank", BANK.public)))) is None


def test_without_the_oversight_key_a_false_tag_goes_unseen() -> None:
    hidden = FORGERIES[Rule.WRONG_TAG]()
    assert rule_of(hidden, replace(TERMS, oversight=None)) is None


def test_another_persons_receipt_does_not_open_the_leaf() -> None:
    """The bank asked about John on Mary's receipt: it can show neither of the two."""
    logged = log(JOHN, consent(MARY, MARY.signed()))
    assert rule_of(logged) is Rule.WRONG_SUBJECT
    claims_mary = replace(logged, opening=replace(logged.opening, identifier=MARY.identifier))
    assert rule_of(claims_mary) is Rule.WRONG_PERSON
    later = replace(logged.opening.secrets, receipt=consent(JOHN, JOHN.signed()).encode())  # obtained after the fact
    assert rule_of(replace(logged, opening=replace(logged.opening, secrets=later))) is Rule.WRONG_RECEIPT
    other_r = replace(logged.opening.secrets, blind=hash_to_scalar(b"another"))
    assert rule_of(replace(logged, opening=replace(logged.opening, secrets=other_r))) is Rule.WRONG_PERSON


def test_a_revocation_counts_from_its_delivery_on() -> None:
    logged = log(MARY, MARY.signed())
    revocation = Revocation(MARY.key.public, MARY.receipt().serial).sign(MARY.key)
    for delivered, rule in ((NOW, Rule.REVOKED), (NOW + 1, None)):
        assert rule_of(logged, replace(TERMS, revoked=Revocations.of([(revocation, delivered)]))) is rule


def test_who_does_not_open_is_named() -> None:
    logged = log(MARY, MARY.signed())
    verdict = judge(logged.leaf, BANK.public, None, TERMS)
    assert (verdict.querier, verdict.rule, verdict.inquiry) == ("bank-a", Rule.NOT_OPENED, None)


def test_of_500_inquiries_with_ten_forged_every_sampled_forgery_is_named_and_nobody_else() -> None:
    persons = [Person(b"DE|%d" % number) for number in range(500)]
    kinds = (Rule.UNKNOWN_KEY, Rule.EXPIRED, Rule.WRONG_PURPOSE, Rule.WRONG_QUERIER, Rule.MALFORMED)
    forged = {number: kinds[number // 50 % 5] for number in range(7, 500, 50)}

    def receipt(number: int) -> Any:
        person = persons[number]
        match forged.get(number):
            case Rule.UNKNOWN_KEY:
                return own(person, number)
            case Rule.EXPIRED:
                return person.signed(number, expires=NOW)
            case Rule.WRONG_PURPOSE:
                return person.signed(number, purpose="credit-review")
            case Rule.WRONG_QUERIER:
                return person.signed(number, querier="bank-b")
            case Rule.MALFORMED:
                return b"she said yes"
        return person.signed(number)

    inquiries = [log(person, receipt(number), number) for number, person in enumerate(persons)]
    seeds = {"regulator": drawn_bytes("seed")}
    draw = Draw({"regulator": commit_seed(seeds["regulator"])}, rate=300_000, first=0, size=500)
    log_root = tree_root([each.leaf.hash for each in inquiries])
    drawn = sample(draw, seeds, log_root, range(500))
    assert drawn == sample(draw, dict(seeds), log_root, reversed(range(500)))
    found = {number: rule_of(inquiries[number]) for number in drawn}
    assert found == {number: forged.get(number) for number in drawn}
    assert len(set(drawn) & set(forged)) >= 2
    assert {rule_of(inquiries[number]) for number in forged} == set(kinds)


@given(data=st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_whatever_a_querier_signs_as_its_opening_is_its_own_fault(data: bytes) -> None:
    logged = log(MARY, MARY.signed())
    key = BANK.sign("fedscore/v1/consent/opening", logged.leaf.hash + data)
    assert judge(logged.leaf, BANK.public, SignedOpening(logged.leaf.hash, data, key), TERMS).rule is Rule.MALFORMED


def test_an_opening_that_names_two_leaves_is_malformed() -> None:
    logged = log(MARY, MARY.signed())
    payload = replace(logged.opening, leaf_hash=bytes(32)).encode()
    signature = BANK.sign("fedscore/v1/consent/opening", logged.leaf.hash + payload)
    assert judge(logged.leaf, BANK.public, SignedOpening(logged.leaf.hash, payload, signature), TERMS).rule is (
        Rule.MALFORMED
    )


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"nonce": "00"}, {"blind": "00" * 32}, {"identifier": ""}, {"identifier": "0g"}, {"extra": 1}],
)
def test_an_opening_of_another_form_is_malformed(change: dict[str, Any]) -> None:
    logged = log(MARY, MARY.signed())
    payload = canonical(parse_canonical(logged.answer.payload) | change)
    with pytest.raises(MessageError):
        Opening.decode(payload)
    signature = BANK.sign("fedscore/v1/consent/opening", logged.leaf.hash + payload)
    assert judge(logged.leaf, BANK.public, SignedOpening(logged.leaf.hash, payload, signature), TERMS).rule is (
        Rule.MALFORMED
    )


def test_an_opening_survives_encoding_and_shows_nothing_in_print() -> None:
    logged = log(MARY, MARY.signed())
    assert Opening.decode(logged.opening.encode()) == logged.opening
    assert SignedOpening.decode(logged.answer.encode()) == logged.answer
    secrets = logged.opening.secrets
    for shown in (repr(logged.opening), repr(logged.answer), repr(judge(logged.leaf, BANK.public, None, TERMS))):
        assert "4711" not in shown
        assert not any(each.hex() in shown for each in (secrets.blind, secrets.nonce, MARY.identifier))
        assert repr(secrets.nonce) not in shown
    for short in (b"", bytes(95)):
        with pytest.raises(MessageError):
            SignedOpening.decode(short)
    with pytest.raises(MessageError):
        SignedOpening.decode(bytes(MAX_BYTES + 97))
    with pytest.raises(MessageError):
        Opening.decode(bytes(MAX_BYTES + 1))


def test_a_leaf_shows_neither_the_person_nor_its_secrets() -> None:
    logged = log(MARY, MARY.signed())
    secrets, person = logged.opening.secrets, hash_to_group(MARY.identifier)
    for secret in (MARY.identifier, person, multiply(secrets.blind, person), secrets.nonce, MARY.subject().salt):
        assert secret not in logged.leaf.encode()
        assert secret.hex().encode() not in logged.leaf.encode()
