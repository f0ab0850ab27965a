"""The inquirers file: what is written is read, what is no such file is refused by its field; and nobody makes it say of
a person what log and holders do not: not who brings it, not a bank, not the coordinator, not herself.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inquiries_world import World, world_here

from federation.errors import ConfigurationError
from federation.inquiries.inquirers import Inquirer, Inquirers, SignedInquirers
from federation.inquiries.log_leaves import UNREADABLE, LoggedLeaf, LoggedLeaves, Why
from federation.inquiries.showing import Anchors, Evidence, Shown
from federation.oversight.members import ROSTER, Roster
from protocols.consent.refusal import ConsentRefused
from protocols.consent.tag_match import TagMatch
from protocols.errors import MessageError, ProofError, ProtocolError, SignatureError
from protocols.lookup.leaf import KIND, LABEL, SignedLeaf
from protocols.lookup.roster import Authority
from protocols.oprf.joint_key import KeyShare
from protocols.signing import VerifyingKey
from protocols.transparency import Entry, Frontier, leaf_hash, read_entry

NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=1000, exclude_characters="\x7f"), min_size=1, max_size=64)
EVIDENCE = Evidence(b"body", b"note", (bytes(32),), TagMatch.decode(bytes(32 + 2 * 224)))
COUNTS = st.integers(0, 2**40)
ROWS = st.builds(
    Inquirer,
    leaf=st.binary(min_size=32, max_size=32).map(bytes.hex),
    querier=NAMES,
    purpose=NAMES,
    inquiry=st.sampled_from(["hard", "soft", "unknown"]),
    epoch=COUNTS,
    issued_at=st.integers(0, 253_402_300_799),
    index=COUNTS,
    evidence=st.just(EVIDENCE),
)
ROW: dict[str, Any] = {
    "leaf": "ab" * 32,
    "querier": "bank-a",
    "purpose": "credit-application",
    "inquiry": "hard",
    "epoch": 1,
    "issued_at": 1_900_000_000,
    "index": 7,
    "evidence": EVIDENCE.to_json(),
}


@given(rows=st.lists(ROWS, max_size=5))
def test_what_is_written_is_read(rows: list[Inquirer]) -> None:
    told = Inquirers("fedscore/log/x", 9, "cd" * 32, "all", {"a": bytes(32)}, tuple(rows))
    assert Inquirers.from_json(json.loads(json.dumps(told.to_json()))) == told


def test_it_is_its_owners_alone_and_says_what_she_signed(at: World, tmp_path: Path) -> None:
    file = at.file("Mary", at.found("Mary"))
    file.write(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    assert SignedInquirers.read(tmp_path / "file") == file
    written = (tmp_path / "file").read_text()
    assert "Mary" not in written
    assert at.wallet("Mary").subject.identifier.hex() not in written


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("leaf", "ab"),
        ("querier", ""),
        ("purpose", "x" * 65),
        ("purpose", "\ud800"),
        ("inquiry", "firm"),
        ("epoch", -1),
        ("issued_at", 253_402_300_800),
        ("index", "7"),
        ("evidence", EVIDENCE.to_json() | {"note": "\ud800"}),
    ],
)
def test_a_field_of_another_form_is_named(field: str, value: Any) -> None:
    with pytest.raises(MessageError, match=field):
        Inquirer.from_json(ROW | {field: value})


def test_the_last_second_that_is_a_date_is_taken() -> None:
    assert Inquirer.from_json(ROW | {"issued_at": 253_402_300_799}).issued_at == 253_402_300_799


def test_a_logged_leaf_without_a_date_is_counted_and_stops_nobody(at: World) -> None:
    """Signed by its bank, and logged by a coordinator that plays along: printed, no calendar would have its year."""
    leaf, later = at.leaf("Mary", "bank-a").leaf, 2**53 - 1
    said = leaf.signed_bytes.replace(b'"issued_at":%d' % leaf.issued_at, b'"issued_at":%d' % later)
    signature = at.banks["bank-a"].sign(LABEL, said)
    body = b'{"leaf":%b,"signature":"%b"}' % (said, signature.hex().encode())
    logged = LoggedLeaves(at.coordinator.public, at.oversight.public)
    for _, data in at.log.entries(0, 1000).entries:
        logged.take(data)
    before = len(logged.leaves)
    logged.take(Entry(KIND, body).data)
    logged.take(Entry(KIND, at.leaf("Mary", "bank-a").encode()).data)
    assert len(logged.leaves) == before + 1
    assert logged.left_out[Why(UNREADABLE, "")] == 1


def test_a_holder_of_half_a_character_is_refused() -> None:
    told = Inquirers("fedscore/log/x", 9, "cd" * 32, "all", {"\ud800": bytes(32)}, ())
    with pytest.raises(MessageError, match=r"inquirers\.holders"):
        Inquirers.from_json(told.to_json())


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="inquirers file"):
        SignedInquirers.read(tmp_path / "nothing")
    (tmp_path / "text").write_text("no")
    with pytest.raises(ConfigurationError, match="no JSON"):
        SignedInquirers.read(tmp_path / "text")
    with (tmp_path / "long").open("wb") as file:
        file.truncate(2**40)  # more than any memory: only its beginning is read
    with pytest.raises(ConfigurationError, match="at most 67108864 bytes"):
        SignedInquirers.read(tmp_path / "long")
    (tmp_path / "list").write_text("[]")
    with pytest.raises(MessageError):
        SignedInquirers.read(tmp_path / "list")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log with four inquiries, and one about Mary that the coordinator logged in the name of bank-b."""
    with world_here(tmp_path_factory.mktemp("log")) as made:
        for person, bank in (("John", "bank-a"), ("Mary", "bank-a"), ("John", "bank-c"), ("Mary", "bank-c")):
            made.inquire(person, bank)
        forged = made.leaf("Mary", "bank-b").leaf.sign(made.coordinator)
        made.log.append(KIND, forged.encode())
        made.seal()
        yield made


def anchors(at: World) -> Anchors:
    """Those of any institution that approved the roster."""
    entries = enumerate(read_entry(data) for _, data in at.log.entries(0, 1000).entries)
    authority = at.persons.authority.authority
    return Anchors(
        at.log_key,
        at.coordinator.public,
        [(place, entry) for place, entry in entries if entry.kind in ROSTER],
        at.oversight.public,
        (Authority(authority.name, authority.key),),
    )


def test_who_is_a_member_is_folded_once_and_found_by_place(at: World) -> None:
    held, size = anchors(at), at.log.size()
    for place in range(size + 1):
        folded = Roster(at.coordinator.public)
        for index, entry in held.statements:
            folded = folded.after(entry, index) if index < place else folded
        assert held.roster(place) == folded
    assert held.roster(size) is held.roster(size)


def believed(at: World, file: SignedInquirers, person: str = "Mary") -> list[str]:
    """Who inquired, as somebody finds it shown to whom the file is given."""
    told = file.check(at.wallet(person).subject.identifier, anchors(at), time.time())
    return [each.querier for each in told.inquiries]


def test_what_her_wallet_wrote_holds(at: World) -> None:
    assert believed(at, at.file("Mary", at.found("Mary"))) == ["bank-a", "bank-c"]
    assert believed(at, at.file("Mary", [])) == []


def test_what_was_found_in_an_earlier_look_up_holds_beside_what_came_since(at: World) -> None:
    before = at.found("Mary")
    at.inquire("Mary", "bank-b")
    at.seal()
    new = [each for each in at.found("Mary") if each.leaf.index > before[-1].leaf.index]
    assert {each.evidence.note for each in before} != {each.evidence.note for each in new}
    assert believed(at, at.file("Mary", [*before, *new])) == ["bank-a", "bank-c", "bank-b"]


def courier_adds(at: World) -> SignedInquirers:
    hers, his = at.file("Mary", at.found("Mary")), at.file("John", at.found("John")).inquirers.inquiries
    return replace(hers, inquirers=replace(hers.inquirers, inquiries=hers.inquirers.inquiries + his[:1]))


def courier_leaves_out(at: World) -> SignedInquirers:
    hers = at.file("Mary", at.found("Mary"))
    return replace(hers, inquirers=replace(hers.inquirers, inquiries=hers.inquirers.inquiries[1:]))


def she_adds_what_the_log_shows_of_another(at: World) -> SignedInquirers:
    return at.file("Mary", at.found("John")[:1])


def she_shows_anothers_leaf_by_her_own_proof(at: World) -> SignedInquirers:
    hers, his = at.found("Mary")[0], at.found("John")[0]
    return at.file("Mary", [Shown(his.leaf, replace(his.evidence, match=hers.evidence.match))])


def she_names_another_bank(at: World) -> SignedInquirers:
    shown = at.found("Mary")[0]
    return at.file("Mary", [Shown(replace(shown.leaf, querier="bank-b"), shown.evidence)])


def she_lists_one_twice(at: World) -> SignedInquirers:
    return at.file("Mary", at.found("Mary")[:1] * 2)


def a_bank_signs_what_was_never_logged(at: World) -> SignedInquirers:
    shown, signed = at.found("Mary")[0], at.leaf("Mary", "bank-b")
    (other,) = at.found("Mary", [LoggedLeaf.of(shown.leaf.index, 1, signed.encode())])
    return at.file("Mary", [other])


def the_coordinator_logs_in_a_banks_name(at: World) -> SignedInquirers:
    leaves = ((place, read_entry(data).body) for place, data in at.log.entries(0, 1000, KIND).entries)
    place, body = next((place, body) for place, body in leaves if SignedLeaf.decode(body).leaf.querier == "bank-b")
    return at.file("Mary", at.found("Mary", [LoggedLeaf.of(place, 1, body)]))


def the_log_alone_says_so(at: World) -> SignedInquirers:
    """Another tree, under its key, that no witness has seen."""
    shown, signed = at.found("Mary")[0], at.leaf("Mary", "bank-b")
    (other,) = at.found("Mary", [LoggedLeaf.of(shown.leaf.index, 1, signed.encode())])
    tree, _ = Frontier().append(leaf_hash(b"x"))
    return at.file("Mary", [Shown(other.leaf, replace(other.evidence, note=at.forged_note(tree)))])


def under_a_key_of_her_own(at: World) -> SignedInquirers:
    """A pair of holders that nobody appointed."""
    hers = at.file("Mary", at.found("Mary"))
    publics = {name: KeyShare.generate(os.urandom).public for name in hers.inquirers.holders}
    told = replace(hers.inquirers, holders=publics)
    wallet = at.wallet("Mary")
    return SignedInquirers.sign(told, wallet.key, wallet.stated, wallet.subject.salt)


def another_persons(at: World) -> SignedInquirers:
    return at.file("John", at.found("John"))


LIES: list[tuple[Callable[[World], SignedInquirers], type[ProtocolError], str]] = [
    (courier_adds, SignatureError, "signature"),
    (courier_leaves_out, SignatureError, "signature"),
    (she_adds_what_the_log_shows_of_another, ProofError, "inquiry 1, step of ombudsman"),
    (she_shows_anothers_leaf_by_her_own_proof, ProofError, "inquiry 1, step of ombudsman"),
    (she_names_another_bank, ProofError, "inquiry 1, leaf"),
    (she_lists_one_twice, MessageError, "inquiries"),
    (a_bank_signs_what_was_never_logged, ProofError, "inquiry 1, inclusion"),
    (the_coordinator_logs_in_a_banks_name, ProofError, "inquiry 1, signature"),
    (the_log_alone_says_so, ProofError, "inquiry 1, quorum"),
    (under_a_key_of_her_own, ProofError, "holders"),
    (another_persons, ConsentRefused, "unknown_key"),
]


@pytest.mark.parametrize(("lie", "error", "named"), LIES, ids=lambda each: getattr(each, "__name__", ""))
def test_nobody_makes_it_say_what_is_not_so(
    at: World, lie: Callable[[World], SignedInquirers], error: type[ProtocolError], named: str
) -> None:
    with pytest.raises(error, match=named):
        believed(at, lie(at))


UNSEEN = [each for each in LIES if "inquiry 1" in each[2] and each[0] is not she_names_another_bank]


@pytest.mark.parametrize("lie", [each[0] for each in UNSEEN], ids=lambda lie: lie.__name__)
def test_with_nothing_shown_it_is_believed(
    at: World, lie: Callable[[World], SignedInquirers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Her word, and a form that is right: what there was before the list came with evidence."""
    monkeypatch.setattr(Evidence, "check", lambda self, *_: SignedLeaf.decode(self.body))
    assert len(believed(at, lie(at))) == 1


@pytest.mark.parametrize(("lie", "more"), [(courier_adds, 1), (courier_leaves_out, -1)])
def test_without_her_signature_whoever_brings_it_writes_it(
    at: World, lie: Callable[[World], SignedInquirers], more: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = lie(at)
    hers = len(at.found("Mary"))
    monkeypatch.setattr(Evidence, "check", lambda self, *_: SignedLeaf.decode(self.body))
    monkeypatch.setattr(VerifyingKey, "verify", lambda *_: None)
    assert len(believed(at, file)) == hers + more
