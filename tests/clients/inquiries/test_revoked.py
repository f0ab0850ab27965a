"""Inquiries after a revocation: what an acknowledgement proves, whom it cannot frame, and what nobody can decide."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oversight_world import key_of
from spot_check_world import InquiryWorld, Person, inquiring
from typer.testing import CliRunner

from clients.institution.lookup.acknowledging import acknowledge
from clients.institution.lookup.consent_store import ConsentStore
from clients.regulator.cli import app
from clients.regulator.inquiries.complaints import Complaints
from federation.inquiries.acknowledged import Acknowledged, Complaint
from federation.oversight.inquiries import RevocationTaken
from federation.runtime.database import open_engine
from protocols.consent.acknowledgement import Acknowledgement, commitment
from protocols.consent.check import Revocations
from protocols.consent.consent import Consent
from protocols.consent.receipt import Revocation, SignedRevocation
from protocols.consent.refusal import ConsentRefused, Rule
from protocols.lookup.leaf import SignedLeaf
from protocols.transparency import Statement, read_entry

BANK, OTHER = "bank-a", "bank-b"
ANNA = Person(b"anna")


def revocation_of(person: Person, consent: Consent) -> SignedRevocation:
    return Revocation(person.key.public, consent.serial).sign(person.key)


def store_of(world: InquiryWorld, bank: str = BANK) -> ConsentStore:
    return ConsentStore(open_engine(f"sqlite:///{world.homes[bank].path / 'lookup.db'}"))


def deliver(world: InquiryWorld, person: Person, consent: Consent, bank: str = BANK) -> Acknowledged:
    """What `institution consent revoke --out` does."""
    signed, store = revocation_of(person, consent), store_of(world, bank)
    store.revoke(signed, int(time.time()))
    return acknowledge(world.homes[bank], store, signed, world.log_of(bank), time.time())


class Case:
    """Every way in which an inquiry and a revocation can meet; bank-a asks, without its gate."""

    def __init__(self, world: InquiryWorld, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.leaves: dict[str, SignedLeaf] = {}
        self.complaints: dict[str, Complaint] = {}
        self.sample: dict[str, Any] = {}
        self.files: list[Path] = []
        self._after("after")
        self._before()
        self._on_the_way()
        self._unacknowledged()
        self._claimed_back_dated()
        self._acknowledged_by_another()
        self._strangers_complaint()

    def _person(self, name: str) -> tuple[Person, Consent]:
        person = Person(name.encode())
        return person, person.consent(BANK)

    def _after(self, name: str) -> None:
        """The bank has it, says so, and asks."""
        person, consent = self._person(name)
        shown = deliver(self.world, person, consent)
        self.leaves[name] = self.world.ask(BANK, person, consent)
        self.complaints[name] = Complaint(revocation_of(person, consent), shown)

    def _before(self) -> None:
        """Asked, then revoked: an honest inquiry, whatever date the bank writes into its acknowledgement."""
        person, consent = self._person("before")
        self.leaves["before"] = self.world.ask(BANK, person, consent)
        shown = deliver(self.world, person, consent)
        self.complaints["before"] = Complaint(revocation_of(person, consent), shown)

    def _on_the_way(self) -> None:
        """The question is past the gate when the revocation comes; its leaf is logged behind the commitment."""
        person, consent = self._person("on the way")

        def revoked_meanwhile(leaf: SignedLeaf) -> SignedLeaf:
            store_of(self.world).take([(leaf, consent)])
            shown = deliver(self.world, person, consent)
            self.complaints["on the way"] = Complaint(revocation_of(person, consent), shown)
            return leaf

        self.leaves["on the way"] = self.world.ask(BANK, person, consent, change=revoked_meanwhile)

    def _unacknowledged(self) -> None:
        """Perhaps the bank has it, perhaps it came afterwards, perhaps never."""
        person, consent = self._person("unacknowledged")
        self.leaves["unacknowledged"] = self.world.ask(BANK, person, consent)
        self.complaints["unacknowledged"] = Complaint(revocation_of(person, consent), None)

    def _claimed_back_dated(self) -> None:
        """Somebody with the bank's key says afterwards that it knew before: with any date, and a promise of another."""
        person, consent = self._person("back-dated")
        earlier = self.complaints["after"].acknowledged
        assert earlier is not None
        self.leaves["back-dated"] = self.world.ask(BANK, person, consent)
        signed, nonce = revocation_of(person, consent), os.urandom(32)
        said = Acknowledgement(BANK, signed.hash, None, int(time.time()) - 9 * 86_400)
        entry = RevocationTaken(BANK, commitment(nonce, said).hex()).entry(key_of(BANK))
        self.world.log_of(BANK).append([entry])  # the only place it can have is behind the inquiry
        self.complaints["back-dated"] = Complaint(signed, Acknowledged(said, nonce, entry, earlier.promise))

    def _acknowledged_by_another(self) -> None:
        """Another bank cannot have bank-a know, not even by the very commitment."""
        person, consent = self._person("by another")
        signed, nonce = revocation_of(person, consent), os.urandom(32)
        said = Acknowledgement(BANK, signed.hash, None, int(time.time()))
        entry = RevocationTaken(OTHER, commitment(nonce, said).hex()).entry(key_of(OTHER))
        self.world.log_of(OTHER).append([entry])
        # In bank-a's name the log takes nothing of bank-b's; a coordinator that writes it in is found in step 2.
        forged = Statement.sign(RevocationTaken.kind, {"institution": BANK, "commitment": "ab" * 32}, key_of(OTHER))
        self.world.log.store.extend([forged.entry])
        self.leaves["by another"] = self.world.ask(BANK, person, consent)
        shown = deliver(self.world, person, self._person("by another")[1], OTHER)
        self.complaints["by another"] = Complaint(signed, Acknowledged(said, nonce, entry, shown.promise))

    def _strangers_complaint(self) -> None:
        """Numbers of receipts stand in the log: a stranger takes one back under a key of his own."""
        person, consent = self._person("a stranger's")
        stranger = Person(b"stranger")
        signed = Revocation(stranger.key.public, consent.serial).sign(stranger.key)
        store_of(self.world).revoke(signed, int(time.time()))
        shown = acknowledge(self.world.homes[BANK], store_of(self.world), signed, self.world.log_of(BANK), time.time())
        self.leaves["a stranger's"] = self.world.ask(BANK, person, consent)
        self.complaints["a stranger's"] = Complaint(signed, shown)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with inquiring(tmp_path_factory.mktemp("revoked")) as world:
        made = Case(world, tmp_path_factory.mktemp("complaints"))
        made.sample = world.sampled("november", 1.0)
        made.files = world.open(BANK, tmp_path_factory.mktemp("openings"))
        yield made


def places(case: Case) -> dict[int, str]:
    names = {leaf.hash.hex(): name for name, leaf in case.leaves.items()}
    return {each["index"]: names[each["leaf"]] for each in case.sample["drawn"][BANK]}


def told(case: Case, code: int) -> tuple[dict[str, str], set[str]]:
    """{case: rule it breaks} and the undecided ones, of bank-a."""
    said = case.world.fsr("check", *case.files, "--keep", code=code)
    (mine,) = [each for each in said["queriers"] if each["querier"] == BANK]
    named = places(case)
    return {named[each["index"]]: each["rule"] for each in mine["broken"]}, {named[at] for at in mine["undecided"]}


def test_before_anybody_complains_every_inquiry_holds(case: Case) -> None:
    assert len(places(case)) == len(case.leaves) == 7
    assert told(case, 0) == ({}, set())


def test_an_inquiry_after_the_acknowledgement_is_a_breach_and_no_other_is(case: Case) -> None:
    """Row 28: six ways to make an honest inquiry look like one are of no use; without an acknowledgement: undecided."""
    for name, complaint in case.complaints.items():
        file = case.folder / f"{name}.json"
        file.write_bytes(complaint.encode())
        said = case.world.fsr("complaint", file)
        assert (said["acknowledged"] is None) == (name in ("unacknowledged", "by another")), name
    assert told(case, 1) == ({"after": "revoked"}, {"unacknowledged", "by another"})


def test_people_are_told_too(case: Case) -> None:
    world = case.world
    line = ["check", *map(str, case.files), "--keep", "--home", str(world.regulator.path)]
    said = CliRunner().invoke(app, line, env={"FEDSCORE_REGULATOR_LOG_URL": world.regulator.settings.log_url}).output
    assert said.count("  revoked   ") == 1
    assert said.count("  undecided   ") == 2
    file = str(case.folder / "after.json")
    taken = CliRunner().invoke(app, ["complaint", file, "--home", str(world.regulator.path)]).output
    assert "bank-a acknowledged it in log entry" in taken


def test_with_the_places_not_compared_honest_inquiries_would_be_breaches(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whoever complains: her word, the bank's date, another's key and number."""

    def believed(self: Complaints, leaf: SignedLeaf, index: int) -> Revocations:
        return Revocations.standing(each.complaint.revocation for each in self._of(leaf))

    monkeypatch.setattr(Complaints, "forbidding", believed)
    broken, _ = told(case, 1)
    assert broken.keys() == {"after", "before", "on the way", "unacknowledged", "back-dated", "by another"}


def test_without_the_complaint_a_bank_that_asks_after_a_revocation_is_not_found(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Complaints, "forbidding", lambda *_: Revocations())
    monkeypatch.setattr(Complaints, "undecided", lambda *_: Revocations())
    assert told(case, 0) == ({}, set())


def test_a_forged_revocation_is_no_complaint(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "forged.json"
    complaint = case.complaints["unacknowledged"]
    file.write_bytes(replace(complaint, revocation=replace(complaint.revocation, signature=bytes(64))).encode())
    home = str(case.world.regulator.path)
    assert CliRunner().invoke(app, ["complaint", str(file), "--home", home]).exit_code != 0
    assert not any(each.read_bytes() == file.read_bytes() for each in case.world.regulator.complaints.iterdir())


def test_the_log_shows_neither_person_nor_receipt_and_links_no_two(case: Case) -> None:
    logged = [data for _, data in case.world.log.store.entries(0, 10_000, RevocationTaken.kind).entries]
    assert len(logged) >= 5
    contents = [json.loads(data)["body"]["content"] for data in logged]
    assert all(set(each) == {"institution", "commitment"} for each in contents)
    assert len({each["commitment"] for each in contents}) == len(contents)
    for name, complaint in case.complaints.items():
        revocation = complaint.revocation.revocation
        secrets = (revocation.serial, revocation.subject_key.hex, complaint.revocation.hash.hex(), name.encode().hex())
        assert not any(secret.encode() in data for secret in secrets for data in logged)
    # Who guesses key and number, which the regulator and the bank know, still cannot tell without the nonce.
    shown = case.complaints["after"].acknowledged
    assert shown is not None
    guessed = {commitment(bytes(32), shown.said).hex(), commitment(shown.said.revocation, shown.said).hex()}
    assert not guessed & {each["commitment"] for each in contents}
    assert shown.taken.commitment in {each["commitment"] for each in contents}


def test_an_acknowledgement_is_the_same_however_often_it_is_asked_for(case: Case) -> None:
    before = case.world.log.store.size()
    person, consent = Person(b"twice"), Person(b"twice").consent(BANK)
    first = deliver(case.world, person, consent)
    assert deliver(case.world, person, consent).encode() == first.encode()
    assert case.world.log.store.size() == before + 1
    assert Acknowledged.decode(first.encode()) == first


def test_what_is_delivered_while_a_question_is_between_gate_and_log_is_not_asked(case: Case) -> None:
    """Without the second look the receipt would serve after it was acknowledged, and an honest bank break a rule."""
    store, person = store_of(case.world), Person(b"between")
    consent = person.consent(BANK)
    deliver(case.world, person, consent)
    leaf = next(iter(case.leaves.values()))
    with pytest.raises(ConsentRefused) as refused:
        store.take([(leaf, consent)])
    assert refused.value.rule is Rule.REVOKED
    store.check_unused(consent.receipt.receipt)


def test_the_log_takes_from_a_member_its_own_acknowledgements_and_no_word_more(case: Case) -> None:
    content = {"institution": BANK, "commitment": "ab" * 32}
    for changes, signer in (
        ({}, OTHER),  # in another's name
        ({"person": "anna"}, BANK),
        ({"commitment": "anna"}, BANK),
    ):
        entry = Statement.sign(RevocationTaken.kind, content | changes, key_of(signer)).entry
        with pytest.raises(Exception, match="consent-revoked"):
            case.world.log_of(signer).append([entry])
    case.world.turn()
    found = [alert.text for alert in case.world.watcher.store.alerts()]
    assert sum("bank-a" in text and "signer" in text for text in found) == len(found) == 1  # what was written in
    last = [data for _, data in case.world.log.store.entries(0, 10_000, RevocationTaken.kind).entries][-1]
    assert Statement.read(read_entry(last)).content["institution"] == BANK
